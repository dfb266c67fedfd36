"""`serve --workers N`: one socket, several processes, of which none is needed more than another."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import SECRET, Engines
from tests.support.gateway import TELI_TENANT, Gateway
from tests.support.process import Serving, run

pytestmark = [pytest.mark.processes, pytest.mark.ci]
METRICS = "NUMBERGATE_METRICS_PORT"


@pytest.fixture
def environment(engines: Engines, database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": engines.valkey.url,
        "TELI_BASE_URL": "http://127.0.0.1:9",
        "TELI_API_KEY": "nobody-is-asked",
        "NUMBERGATE_SECRET": SECRET,
        "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
        "NUMBERGATE_ANSWER_WITHIN": "1",
        "NUMBERGATE_LOG_LEVEL": "warning",
        METRICS: "",
    }


@pytest.fixture
async def serving(gateway: Gateway, environment: dict[str, str]) -> AsyncIterator[Serving]:
    """Two processes; `gateway` has prepared the ledger."""
    serving = Serving(environment)
    await serving.start("--workers", "2")
    yield serving
    await serving.terminate()
    serving.close()


def processes(parent: int) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()}


async def two(serving: Serving) -> set[int]:
    async with asyncio.timeout(30):
        while len(found := processes(serving.pid)) < 2:
            await asyncio.sleep(0.05)
    return found


async def test_one_that_is_killed_is_started_again_and_the_other_answers_meanwhile(serving: Serving):
    first, other = sorted(await two(serving))

    os.kill(first, signal.SIGKILL)
    async with httpx.AsyncClient(base_url=serving.url, timeout=10) as http:
        answers = [(await http.get("/healthz")).status_code for _ in range(20)]
    async with asyncio.timeout(30):
        while first in (found := await two(serving)):
            await asyncio.sleep(0.05)

    assert set(answers) == {200}
    assert other in found


async def test_all_end_in_order_when_their_parent_is_told_to(serving: Serving):
    children = await two(serving)

    code = await serving.terminate()

    assert code == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


async def test_where_one_cannot_start_all_end_and_say_so(environment: dict[str, str]):
    wrong = environment | {"DATABASE_URL": "postgresql://nobody:x@127.0.0.1:9/none"}

    parent = run(["serve", "--port", "0", "--workers", "2"], wrong)

    assert await asyncio.to_thread(parent.wait, 60) == 1
