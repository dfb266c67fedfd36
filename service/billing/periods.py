"""Months: a forecast before they begin, open while they run, draft once they have ended, final when they are closed;
and what each one charges. `service.billing.closing` closes them.
"""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import BigInteger, Date, FromClause, Text, Uuid, cast, column, func, literal, select, text  # fmt: skip
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.auth import acting_for
from service.billing.book import last_final, present_rule
from service.billing.charging import ChargingRule
from service.billing.models import BillingPeriod, Charge, NumberFact
from service.db import Database
from service.kit.clock import utc_now
from service.kit.errors import Fault, InvalidRequest
from service.kit.money import months_later
from service.prices.models import PriceRow
from service.prices.pricing import Pricing
from service.tenants.principals import Principal

State = Literal["forecast", "open", "draft", "closing", "final"]
# A forecast goes so many months ahead.
FORESEEN = 12
COLUMNS = (
    ("corrects", Date()), ("number_id", Uuid()), ("kind", Text()), ("begins", Date()), ("ends", Date()),
    ("due", Date()), ("micros", BigInteger()), ("currency", Text()), ("price_id", Uuid()), ("tenant_id", Text()),
    ("organization_id", Text()), ("user_id", Text()), ("holder_user_id", Text()), ("cost_center", Text()),
    ("tags", ARRAY(Text())),
)  # fmt: skip
# Advisory locks of months that are being closed, by month.
CLOSING = 0x4E6762
BEING_CLOSED = text(f"""
    SELECT objid::int FROM pg_locks
    WHERE locktype = 'advisory' AND classid = {CLOSING} AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")  # noqa: S608 - our own


@dataclass(frozen=True, slots=True)
class Basis:
    """What the charges of a month are reckoned from; of one that is final they are there. `today`: by the rule's zone.
    `is_next`: it is the one that is closed next, so that what is put right of months before it is charged in it.
    """

    month: date
    state: State
    rule: ChargingRule
    through: int
    priced: int
    today: date
    is_next: bool

    def charges(self) -> FromClause:
        """They, as COLUMNS."""
        if self.state == "final":
            named = [getattr(Charge, name) for name, _ in COLUMNS]
            return select(*named).where(Charge.month == self.month).subquery("charge")
        rule = cast(literal(json.dumps(self.rule.as_json()), Text()), JSONB)  # As text, which COPY takes too.
        reckoned = func.period_charges(self.month, self.through, self.priced, rule)
        charges = reckoned.table_valued(*(column(name, kind) for name, kind in COLUMNS), name="charge")
        if self.is_next:
            return charges
        return select(*charges.c).where(charges.c.corrects.is_(None)).subquery("charge")


class Periods:
    def __init__(self, database: Database, pricing: Pricing) -> None:
        self._database, self._pricing = database, pricing

    async def listed(self, caller: Principal) -> list[dict[str, Any]]:
        """Every month from the first in which a number was held to this one, the last first.

        How many charges and doubts of all tenants there are in one is for whoever sees all of them.
        """
        async with acting_for(self._database, caller) as session:
            # Asked first, for a month that becomes final meanwhile would be neither.
            closing = {*(await session.scalars(BEING_CLOSED)).all()}
            final = {one.month: one for one in (await session.scalars(select(BillingPeriod))).all()}
            first = await session.scalar(select(func.min(NumberFact.acquired_at)))
            rule = await present_rule(session)
        today = rule.day_of(utc_now())
        month = min([*final, rule.day_of(first).replace(day=1) if first else today.replace(day=1)])
        shown = []
        while month <= today:
            shown.append(told_of(month, final.get(month), today, closing=count_of(month) in closing))
            month = months_later(month, 1)
        if caller.tenant_id is not None or "*" not in caller.sees:
            shown = [one | {"charges": None, "doubts": None} for one in shown]
        return shown[::-1]

    async def basis(self, caller: Principal, month: date) -> Basis:
        """From what the month is charged as things stand, or stood when it was closed.

        Raises: InvalidRequest for a month that is more than FORESEEN ahead.
        """
        await self._pricing.ensure_default()
        async with acting_for(self._database, caller) as session:
            return await basis_of(session, month)


async def basis_of(session: AsyncSession, month: date) -> Basis:
    """As `Periods.basis`, in a transaction that is open. Raises: InvalidRequest."""
    rule = await present_rule(session)
    today = rule.day_of(utc_now())
    if (final := await session.get(BillingPeriod, month)) is not None:
        then = ChargingRule(**final.rule)
        return Basis(month, "final", then, final.facts_through, final.prices_through, today, is_next=False)
    if month > months_later(today.replace(day=1), FORESEEN):
        raise InvalidRequest(Fault("period", f"must be no more than {FORESEEN} months ahead"))
    through = await session.scalar(select(func.coalesce(func.max(NumberFact.seq), 0)))
    priced = await session.scalar(select(func.coalesce(func.max(PriceRow.seq), 0)))
    last = await last_final(session)
    is_next = last is not None and month == months_later(last, 1)
    return Basis(month, state_of(month, today), rule, through or 0, priced or 0, today, is_next)


async def today_of(session: AsyncSession) -> date:
    """By the rule of the months that are not closed."""
    return (await present_rule(session)).day_of(utc_now())


def state_of(month: date, today: date) -> State:
    if month > today:
        return "forecast"
    return "draft" if months_later(month, 1) <= today else "open"


def told_of(month: date, final: BillingPeriod | None, today: date, *, closing: bool = False) -> dict[str, Any]:
    if final is None:
        state: State = "closing" if closing else state_of(month, today)
        unknown = dict.fromkeys(("hash", "charges", "closed_at", "closed_by", "charging_rule", "doubts"))
        return {"period": f"{month:%Y-%m}", "state": state} | unknown
    return {
        "period": f"{month:%Y-%m}", "state": "final", "hash": final.hash.hex(), "charges": final.charges,
        "closed_at": final.closed_at, "closed_by": final.closed_by, "charging_rule": final.rule,
        "doubts": len(final.doubts),
    }  # fmt: skip


def count_of(month: date) -> int:
    """The month as a number, for a lock."""
    return month.year * 12 + month.month
