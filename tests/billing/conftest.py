"""Fixtures of billing."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.conftest import Engines
from tests.support.gateway import AUTHOR, Gateway, Tenant


@pytest.fixture
def superuser_url(engines: Engines, database_url: str) -> str:
    """The test's own database, as one whom nothing in it holds."""
    return engines.postgres.superuser_url(database_url.rpartition("/")[2])


@pytest.fixture
async def finance(gateway: Gateway) -> Tenant:
    issued = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "test")
    return Tenant(gateway.http, "", issued.key)


@pytest.fixture
async def ledger(superuser_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(superuser_url)
    yield connection
    await connection.close()
