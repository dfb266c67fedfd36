"""Tenants do not meet behind PgBouncer in transaction mode either, where each transaction has another connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from sqlalchemy import text

from service.db import WrongRole, open_database
from tests.conftest import OpenGateway
from tests.support.gateway import Gateway
from tests.support.pgbouncer import pgbouncer, pooled_login
from tests.tenants.test_isolation import (  # noqa: F401
    Filled,
    as_role,
    filled,
    test_a_tenant_cannot_give_its_row_away,
    test_a_tenant_writes_no_row_of_another,
    test_an_idempotency_key_of_another_tenant_is_nobodys,
    test_anothers_number_is_the_same_404_as_no_number,
    test_what_is_appended_cannot_be_changed_or_taken_back,
    test_who_sees_an_organisation_whole_still_changes_nothing_of_others,
    test_with_a_tenant_the_api_role_sees_that_tenants_rows_only,
    test_without_a_tenant_the_api_role_sees_no_row_of_any,
)

pytestmark = pytest.mark.ci


@pytest.fixture
async def login(database_url: str) -> AsyncIterator[str]:
    async with pooled_login(database_url, f"pooled_{uuid4().hex[:8]}") as name:
        yield name


@pytest.fixture
async def gateway(open_gateway: OpenGateway, database_url: str, login: str) -> AsyncIterator[Gateway]:
    """Its API goes through PgBouncer, with fewer connections to the server than it has itself."""
    async with (
        pgbouncer(database_url, login, connections=3) as url,
        open_gateway(api_database_url=url, database_pooler="transaction") as opened,
    ):
        yield opened


async def test_the_right_role_may_start_behind_a_pooler_and_a_login_without_it_may_not(database_url: str, login: str):
    async with pgbouncer(database_url, login, connections=1) as url:
        database = open_database(url, "numbergate_api", pool=1, pooler="transaction")
        await database.check_role("numbergate_api")
        with pytest.raises(WrongRole, match="ALTER ROLE … SET role = 'numbergate_worker'"):
            await database.check_role("numbergate_worker")
        await database.engine.dispose()


async def test_no_setting_leaks_over_the_one_connection_that_all_clients_share(
    filled: Filled,  # noqa: F811
    database_url: str,
    login: str,
):
    """A thousand turns of two tenants, from four clients; each client's transactions in between say nobody."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(pgbouncer(database_url, login, connections=1))
        clients = [open_database(url, "numbergate_api", pool=1, pooler="transaction") for _ in range(4)]
        for client in clients:
            stack.push_async_callback(client.engine.dispose)
        for turn in range(1000):
            tenant, client = (filled.one.id, filled.other.id)[turn % 2], clients[turn % 4]
            assert set(await as_role(client, "SELECT tenant_id FROM numbers", tenant=tenant)) == {tenant}, turn
            if turn % 50 == 0:
                with pytest.raises(ZeroDivisionError):
                    async with client.acting(tenant=tenant, duty="admin", sees=["*"]):
                        raise ZeroDivisionError
                for other in clients:
                    async with other.engine.connect() as bare:
                        assert (await bare.execute(text("SELECT count(*) FROM numbers"))).scalar() == 0, turn
        pids = {(await as_role(client, "SELECT pg_backend_pid()"))[0] for client in clients}
        assert len(pids) == 1


async def test_purchases_at_once_through_a_pooler_are_each_their_own(gateway: Gateway):
    tenants = [await gateway.tenant(scopes=["numbers:create", "numbers:read"]) for _ in range(4)]
    bought = await asyncio.gather(*(one.bought(key=f"k-{turn}") for turn in range(3) for one in tenants))
    assert len({one["phone_number"] for one in bought}) == 12
    for place, one in enumerate(tenants):
        listed = (await one.get("/v1/numbers")).json()["items"]
        assert {row["id"] for row in listed} == {number["id"] for number in bought[place::4]}
