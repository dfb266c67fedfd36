"""Months before this one, and numbers that were held in them."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from service.kit.clock import utc_now
from service.kit.money import months_later

PRICE = {"since": "2020-01-01", "setup": 1_000_000, "monthly": 2_990_000}


def this_month() -> datetime:
    """As a function, for a run of tests may last past a month's end."""
    return utc_now().replace(day=1)


def last_month() -> datetime:
    return months_later(this_month(), -1)


def month_before() -> datetime:
    return months_later(this_month(), -2)


def named(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


async def held_since(ledger: asyncpg.Connection, number_id: str, acquired: datetime) -> None:
    """As if it had been bought then, and that had been known at once."""
    await ledger.execute(
        "UPDATE number_facts SET acquired_at = $2, valid_at = $2 WHERE number_id = $1", UUID(number_id), acquired
    )


async def told(asking: Awaitable[httpx.Response], status: int, code: str) -> dict[str, Any]:
    answer = await asking
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    said: dict[str, Any] = answer.json()
    return said
