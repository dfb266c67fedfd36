"""Days and months by the calendar of a place: midnights that come twice, and clocks that go back."""

from typing import Any

import asyncpg
import pytest

from tests.quotas.test_limits import DRIFTED
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

RESERVE = "SELECT reserve_quota($1, $2, $3, $4::text::uuid, 1, $5::text::timestamptz)"
SETTLE = "SELECT settle_quota($1, $2, $3, (SELECT admitted_at FROM intents WHERE id = $4::text::uuid), false)"


@pytest.fixture
async def ledger(database_url: str):
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def admit(ledger: "asyncpg.Connection[Any]", tenant: Tenant, at: str) -> str | None:
    """Reserve for an intent of this moment, as admission does; its id, or None where a limit refuses."""
    try:
        async with ledger.transaction():
            await ledger.execute("SELECT act_as($1, 'service', '{}')", tenant.id)
            intent = await ledger.fetchval(
                "INSERT INTO intents (id, tenant_id, account_id, organization_id, user_id, area_code, wish, mark,"
                " request_id, state, admitted_at, lease_until, slot)"
                " SELECT gen_random_uuid(), $1, id, $2, $3, '313', '{}', 'm', 'r', 'doubtful', $4::text::timestamptz,"
                " clock_timestamp(), 1 FROM accounts RETURNING id::text",
                tenant.id, ORGANIZATION, USER, at,
            )  # fmt: skip
            await ledger.execute(
                "UPDATE intents SET admitted_at = coalesce((r->>'admitted_at')::timestamptz, admitted_at)"
                f" FROM ({RESERVE} AS r) reserved"
                " WHERE id = $4::text::uuid",
                tenant.id, ORGANIZATION, USER, intent, at,
            )  # fmt: skip
    except asyncpg.PostgresError as error:
        if error.sqlstate != "NG001":
            raise
        return None
    return str(intent)


@pytest.mark.parametrize(
    ("zone", "first", "second"),
    [
        ("Atlantic/Azores", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        ("America/Havana", "2026-11-01T04:30:00Z", "2026-11-01T05:30:00Z"),
    ],
)
async def test_where_midnight_comes_twice_a_purchase_counts_once_and_is_given_back(
    gateway: Gateway, tenant: Tenant, ledger: "asyncpg.Connection[Any]", zone: str, first: str, second: str
):
    await gateway.sql("UPDATE quotas SET time_zone = :z, purchases_per_day = 2", z=zone)

    admitted = [await admit(ledger, tenant, moment) for moment in (first, second, second)]

    assert [one is not None for one in admitted] == [True, True, False]
    assert await gateway.sql(DRIFTED) == []
    for intent in admitted[:2]:
        async with ledger.transaction():
            await ledger.execute("SELECT act_as($1, 'service', '{}')", tenant.id)
            await ledger.execute("UPDATE intents SET state = 'refused' WHERE id = $1::text::uuid", intent)
            await ledger.execute(SETTLE, tenant.id, ORGANIZATION, USER, intent)
    assert await gateway.sql("SELECT reserved, day_reserved FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(0, 0)]
    assert await gateway.sql(DRIFTED) == []


async def test_a_clock_that_goes_back_over_midnight_lets_no_more_through(
    gateway: Gateway, tenant: Tenant, ledger: "asyncpg.Connection[Any]"
):
    await gateway.sql("UPDATE quotas SET purchases_per_day = 2, purchases_per_month = 3")
    before, after = "2026-10-31T23:30:00Z", "2026-11-01T00:01:00Z"

    admitted = [await admit(ledger, tenant, moment) for moment in (before, before, after, *[before] * 5)]

    # Two of October, and of November, which has begun by the ledger, the two of its day.
    assert [one is not None for one in admitted] == [True, True, True, True, *[False] * 4]
    assert await gateway.sql(DRIFTED) == []


async def test_a_counter_that_has_drifted_stops_no_outcome_from_being_written(
    gateway: Gateway, tenant: Tenant, ledger: "asyncpg.Connection[Any]"
):
    intent = await admit(ledger, tenant, "2026-10-31T23:30:00Z")
    await gateway.sql("UPDATE quotas SET reserved = 0, day_reserved = 0, month_reserved = 0")

    await ledger.execute("SELECT act_as($1, 'service', '{}')", tenant.id)
    async with ledger.transaction():
        await ledger.execute("SELECT act_as($1, 'service', '{}')", tenant.id)
        await ledger.execute(SETTLE, tenant.id, ORGANIZATION, USER, intent)

    assert await gateway.sql("SELECT reserved, day_reserved FROM quotas WHERE tenant_id = :t", t=tenant.id) == [(0, 0)]
