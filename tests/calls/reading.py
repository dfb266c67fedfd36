"""Letting the worker read calls in tests, as fast as it can."""

from datetime import datetime, timedelta
from typing import Any

from tests.support.gateway import ORGANIZATION, USER, Gateway

PEOPLE = "+14155550101"


async def account(gateway: Gateway) -> Any:
    [[found]] = await gateway.sql("SELECT id FROM accounts")
    return found


async def read_all(gateway: Gateway, *, most: int = 500) -> int:
    """Read until nothing of this round is left. Returns how many requests that took."""
    of = await account(gateway)
    await gateway.sql("INSERT INTO looks (account_id, organization_id) SELECT :a, :o ON CONFLICT DO NOTHING",
                      a=of, o=ORGANIZATION)  # fmt: skip
    await gateway.sql("UPDATE call_reads SET due_at = clock_timestamp()")
    asked = 0
    for _ in range(most):
        await gateway.sql("UPDATE call_paces SET next_at = clock_timestamp()")
        if await gateway.worker.calls.reading.read(of):
            asked += 1
        elif not await gateway.sql("SELECT 1 FROM call_reads WHERE due_at <= clock_timestamp() LIMIT 1"):
            return asked
    raise AssertionError("it never ends")


async def look_up_all(gateway: Gateway, *, most: int = 500) -> int:
    """Look up what can be looked up now. Returns how many requests that took."""
    of = await account(gateway)
    for asked in range(most):
        await gateway.sql("UPDATE call_paces SET next_at = clock_timestamp()")
        if not await gateway.worker.calls.reading.look_up(of):
            return asked
    raise AssertionError("it never ends")


async def call(gateway: Gateway, from_number: str, to_number: str, *, ago: timedelta, **fields: Any) -> str:
    return await gateway.teli.call(
        ORGANIZATION, from_number, to_number, ago_seconds=ago.total_seconds(), **{"user_id": USER, **fields}
    )


async def held_for(gateway: Gateway, days: int) -> None:
    """As if every number had been bought so many days ago."""
    await gateway.sql("UPDATE numbers SET acquired_at = clock_timestamp() - make_interval(days => :days)", days=days)


async def known(gateway: Gateway, number: str) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Last called, last calling, idle since."""
    [row] = await gateway.sql(
        "SELECT last_inbound_call_at, last_outbound_call_at, idle_since FROM numbers WHERE phone_number = :n", n=number
    )
    return row[0], row[1], row[2]


def ago(moment: datetime | None, now: datetime) -> timedelta | None:
    """Rounded to hours."""
    return None if moment is None else timedelta(hours=round((now - moment) / timedelta(hours=1)))
