"""The upstream account, filed by whichever process starts first."""

import asyncio

from sqlalchemy import text

from service.db import open_database
from service.tenants.accounts import SEND_SLOTS, ensure_account


async def test_five_processes_that_start_at_once_on_an_empty_ledger_file_one_account(database_url: str):
    database = open_database(database_url, "numbergate_worker", pool=5)
    try:
        await asyncio.gather(*(database.ping() for _ in range(5)))  # So that none is late for want of a connection.

        await asyncio.gather(
            *(ensure_account(database, base_url="https://teli", teli_tenant_id="default") for _ in range(5))
        )

        async with database.acting(duty="admin") as session:
            found = (
                await session.execute(text("SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM send_slots)"))
            ).one()
        assert tuple(found) == (1, SEND_SLOTS)
    finally:
        await database.engine.dispose()


async def test_an_upstream_that_has_moved_is_noted(database_url: str):
    database = open_database(database_url, "numbergate_worker", pool=1)
    try:
        await ensure_account(database, base_url="https://teli", teli_tenant_id="default")

        await ensure_account(database, base_url="https://moved", teli_tenant_id="other")

        async with database.acting(duty="admin") as session:
            found = (await session.execute(text("SELECT base_url, teli_tenant_id FROM accounts"))).all()
        assert [tuple(row) for row in found] == [("https://moved", "other")]
    finally:
        await database.engine.dispose()
