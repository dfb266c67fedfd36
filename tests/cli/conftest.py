"""One stack for all tests that only use it, started by the command itself."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.cli.credentials import Credentials
from tests.http.serving import served
from tests.support.gateway import Gateway

from .command import Running
from .desk import Desk


class Stack:
    """A running `numbergate up`: what it printed, and what its own processes are configured with."""

    def __init__(self, ready: dict[str, Any], data: Path) -> None:
        self.ready, self.data = ready, data
        kept = Credentials.of(data).known
        self.settings = {
            "DATABASE_URL": ready["database_url"],
            "REDIS_URL": ready["redis_url"],
            "TELI_BASE_URL": ready["teli_url"],
            "TELI_API_KEY": kept["simulator_key"],
            "NUMBERGATE_SECRET": kept["secret"],
            "NUMBERGATE_ACCOUNT_KEYS": kept["account_keys"],
            "NUMBERGATE_TELI_TENANT_ID": "your_tenant",
        }


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    running = Running(folder, "up", "--json", "--port", "0", "--data", folder / "data")
    try:
        yield Stack(running.line(), folder / "data")
    finally:
        running.end()


@pytest.fixture
async def desk(gateway: Gateway) -> AsyncIterator[Desk]:
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": gateway.operator.key})
