"""Alerts at a running stack: Prometheus reads it as it would in production, and what each asks for becomes true with
the fault that it is for, and was not before.
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
import yaml

from service.embedded import EmbeddedValkey, temporary_data_dir
from service.embedded.ports import free_port
from tests.conftest import SECRET, Engines, fresh_database
from tests.simulator.program import KEY, Simulator
from tests.support.debian import program
from tests.support.gateway import TELI_TENANT
from tests.support.process import Serving, run

from .test_monitoring import ALERTS

pytestmark = [pytest.mark.ci, pytest.mark.processes]


class Watched:
    """A stack of an API, a worker and a Redis of its own, and a Prometheus that reads both every second."""

    def __init__(self, api: Serving, worker: subprocess.Popen[bytes], valkey: EmbeddedValkey, prometheus: str) -> None:
        self.api, self.worker, self.valkey = api, worker, valkey
        self._prometheus = httpx.AsyncClient(base_url=prometheus, timeout=30)

    async def true(self) -> set[str]:
        """The alerts whose expression holds now, however long it has to before they fire."""
        found = set()
        for name, alert in ALERTS.items():
            if await self.asked(alert["expr"]):
                found.add(name)
        return found

    async def until_true(self, *names: str, within: float = 60) -> None:
        async with asyncio.timeout(within):
            while not set(names) <= await self.true():
                await asyncio.sleep(0.5)

    async def asked(self, expression: str) -> list[object]:
        """What holds now. Raises: httpx.HTTPError, as long as Prometheus starts."""
        said = await self._prometheus.get("/api/v1/query", params={"query": expression})
        found: list[object] = said.raise_for_status().json()["data"]["result"]
        return found

    async def close(self) -> None:
        await self._prometheus.aclose()


@pytest.fixture
async def watched(engines: Engines, template: str, teli_process: Simulator, tmp_path: Path) -> AsyncIterator[Watched]:
    async with AsyncExitStack() as stack:
        data = stack.enter_context(temporary_data_dir())
        database_url = await stack.enter_async_context(fresh_database(engines, template))
        valkey = await stack.enter_async_context(EmbeddedValkey(data))
        settings = {
            "DATABASE_URL": database_url,
            "REDIS_URL": valkey.url,
            "TELI_BASE_URL": teli_process.url,
            "TELI_API_KEY": KEY,
            "NUMBERGATE_SECRET": SECRET,
            "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
            "NUMBERGATE_LOG_LEVEL": "error",
        }
        ports = {"numbergate-api": free_port(), "numbergate-worker": free_port()}
        api = Serving(settings | {"NUMBERGATE_METRICS_PORT": str(ports["numbergate-api"])})
        stack.callback(api.close)
        worker = run(["worker"], settings | {"NUMBERGATE_METRICS_PORT": str(ports["numbergate-worker"])})
        stack.callback(worker.wait)
        stack.callback(worker.kill)
        await api.start()
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in ports.items()
            ],
        }
        (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
        listens = f"127.0.0.1:{free_port()}"
        command = [program("prometheus", "prometheus"), f"--config.file={tmp_path}/prometheus.yaml"]
        command += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={listens}", "--log.level=error"]
        prometheus = subprocess.Popen(command, env={**os.environ, "NO_PROXY": "127.0.0.1"})
        stack.callback(prometheus.wait)
        stack.callback(prometheus.terminate)
        found = Watched(api, worker, valkey, f"http://{listens}")
        stack.push_async_callback(found.close)
        async with asyncio.timeout(30):
            while True:
                try:
                    if await found.asked("count(up == 1) == 2 and on() count(numbergate_doubts_open)"):
                        break
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.2)
        yield found


async def test_each_fault_makes_true_what_its_alert_asks_for(watched: Watched, engines: Engines):
    await asyncio.sleep(3)
    assert await watched.true() == set(), "all is well"

    watched.worker.kill()
    await watched.until_true("NumbergateWorkerGone")
    await watched.valkey.stop("immediate")
    async with httpx.AsyncClient(base_url=watched.api.url, timeout=30) as http:
        async with asyncio.timeout(60):
            while "NumbergateRedisAway" not in await watched.true():
                assert (await http.get("/readyz")).status_code == 200, "it goes on without"
                await asyncio.sleep(0.3)
    watched.api.kill()
    await watched.until_true("NumbergateApiGone")
