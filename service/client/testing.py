"""A whole gateway for the tests of those who use the client, over a Teli that costs nothing: the simulator.

It needs the gateway itself, `pip install 'numbergate[embedded]'`, and pytest for the fixtures, which are there with
`pytest_plugins = ["service.client.testing"]` in the root's conftest.py.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.client.sync import Client

ENDING = 60.0
OURS = ("NUMBERGATE_", "TELI_", "DATABASE_URL", "REDIS_URL")


@dataclass(frozen=True, kw_only=True)
class RunningGateway:
    """As `numbergate up --json` tells it: where it is, whose keys there are, and for whom may be bought.

    `told`: all of that line; with `teli_control_url` in it the simulator can be made to fail.
    """

    base_url: str
    tenant_key: str = field(repr=False)
    admin_key: str = field(repr=False)
    organization_id: str
    tenant_id: str
    user_id: str
    told: dict[str, Any] = field(repr=False)

    def client(self, who: str = "tenant", **options: Any) -> Client:
        """A client of the tenant, or of an `admin`, `finance` or `operator`; `options` as Client takes them."""
        return Client(self.base_url, self.told[f"{who}_key"], **options)


@contextmanager
def running_gateway(data: Path) -> Iterator[RunningGateway]:
    """A gateway that keeps everything in the folder `data` and stops at the end. It takes some seconds to begin.

    Raises: RuntimeError, with what it said, where it does not begin.
    """
    # Settings of a real gateway in the environment of the tests must not lead there.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    words = [sys.executable, "-P", "-m", "service", "up", "--json", "--port", "0", "--data", str(data)]
    log = data.parent / f"{data.name}.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(  # noqa: S603  Our own words alone.
            words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"numbergate up did not begin: {log.read_text()[-2000:]}")
        told = json.loads(line)
        known = ("base_url", "tenant_key", "admin_key", "organization_id", "tenant_id", "user_id")
        yield RunningGateway(**{name: told[name] for name in known}, told=told)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ENDING)


@pytest.fixture(scope="session")
def numbergate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One gateway for all tests of a session. What they buy stays; nothing is paid for it."""
    with running_gateway(tmp_path_factory.mktemp("numbergate") / "data") as running:
        yield running


@pytest.fixture
def numbergate_client(numbergate: RunningGateway) -> Iterator[Client]:
    """A client of its tenant."""
    with numbergate.client() as client:
        yield client
