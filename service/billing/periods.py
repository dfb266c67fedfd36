"""Months: a forecast before they begin, open while they run, draft once they have ended, final when they are closed;
and what each one charges.
"""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import BigInteger, Date, FromClause, Text, Uuid, cast, column, func, literal, select, text  # fmt: skip
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.auth import acting_for
from service.billing.book import ONE_AT_A_TIME, PriceBook, last_final, present_rule
from service.billing.charging import ChargingRule
from service.billing.errors import PeriodFinal, PeriodNotReady, PriceMissing
from service.billing.models import BillingPeriod, Charge, NumberFact, PriceRow
from service.db import Database
from service.kit.clock import utc_now
from service.kit.errors import Fault, InvalidRequest
from service.kit.money import months_later
from service.tenants.principals import Principal

State = Literal["forecast", "open", "draft", "final"]
# A forecast goes so many months ahead.
FORESEEN = 12
CLOSE_WITHIN = "900s"
MOST_DOUBTS = 1000
COLUMNS = (
    ("corrects", Date()), ("number_id", Uuid()), ("kind", Text()), ("begins", Date()), ("ends", Date()),
    ("due", Date()), ("micros", BigInteger()), ("currency", Text()), ("price_id", Uuid()), ("tenant_id", Text()),
    ("organization_id", Text()), ("user_id", Text()), ("holder_user_id", Text()), ("cost_center", Text()),
    ("tags", ARRAY(Text())),
)  # fmt: skip
# Of what the hash of a month is made: `service.billing.verifying` writes the same.
TOLD = (
    "number_id", "kind", "begins", "ends", "due", "micros", "currency", "price_id", "tenant_id", "organization_id",
    "user_id", "holder_user_id", "cost_center", "tags", "corrects",
)  # fmt: skip
UNPRICED = text("""
    SELECT n.phone_number, d.begins FROM period_charges(:month, :through, :priced, CAST(:rule AS jsonb)) d
    JOIN numbers n ON n.id = d.number_id WHERE d.price_id IS NULL ORDER BY d.begins, n.phone_number LIMIT 1""")
CLOSE = text(f"""
    WITH told AS MATERIALIZED (
      SELECT d.*, n.phone_number, jsonb_build_array({", ".join(f"d.{name}" for name in TOLD)})::text AS line
      FROM period_charges(:month, :through, :priced, CAST(:rule AS jsonb)) d JOIN numbers n ON n.id = d.number_id
    ), placed AS MATERIALIZED (
      SELECT t.*, row_number() OVER (ORDER BY t.number_id, t.line COLLATE "C") AS place FROM told t
    ), period AS (
      INSERT INTO billing_periods (month, rule, facts_through, prices_through, charges, hash, closed_by, doubts)
      SELECT :month, CAST(:rule AS jsonb), :through, :priced, count(*),
             sha256(coalesce(string_agg(sha256(convert_to(p.line, 'UTF8')), ''::bytea ORDER BY p.place), ''::bytea)),
             :by, CAST(:doubts AS jsonb)
      FROM placed p
    )
    INSERT INTO charges (month, place, phone_number, {", ".join(TOLD)})
    SELECT :month, p.place, p.phone_number, {", ".join(f"p.{name}" for name in TOLD)} FROM placed p
""")  # noqa: S608 - our own
DOUBTS = text("""
    SELECT i.id, i.organization_id, i.tenant_id, i.user_id, i.area_code, i.state, i.admitted_at
    FROM intents i WHERE i.state IN ('doubtful', 'unresolved') ORDER BY i.admitted_at, i.id LIMIT :most""")


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
    def __init__(self, database: Database, book: PriceBook) -> None:
        self._database, self._book = database, book

    async def listed(self, caller: Principal) -> list[dict[str, Any]]:
        """Every month from the first in which a number was held to this one, the last first."""
        async with acting_for(self._database, caller) as session:
            final = {one.month: one for one in (await session.scalars(select(BillingPeriod))).all()}
            first = await session.scalar(select(func.min(NumberFact.acquired_at)))
            rule = await present_rule(session)
        today = rule.day_of(utc_now())
        month = min([*final, rule.day_of(first).replace(day=1) if first else today.replace(day=1)])
        shown = []
        while month <= today:
            shown.append(_told(month, final.get(month), today))
            month = months_later(month, 1)
        return shown[::-1]

    async def basis(self, caller: Principal, month: date) -> Basis:
        """From what the month is charged as things stand, or stood when it was closed.

        Raises: InvalidRequest for a month that is more than FORESEEN ahead.
        """
        await self._book.ensure_default()
        async with acting_for(self._database, caller) as session:
            return await basis_of(session, month)

    async def close(self, caller: Principal, month: date, request_id: str) -> dict[str, Any]:
        """Make a month final: its charges, and what became known late of those before it, from what is known now.

        Raises: PeriodFinal; PeriodNotReady for a month that runs still, or has one before it that is not closed;
            PriceMissing.
        """
        await self._book.ensure_default()
        async with acting_for(self._database, caller) as session:
            await self._check_ready(session, month)
            # In a transaction of its own, for purchases wait while it lasts.
            await session.execute(text("SELECT set_config('lock_timeout', '2s', true)"))
            through = (await session.scalars(select(func.facts_known()))).one()
        async with acting_for(self._database, caller) as session:
            await session.execute(
                text("SELECT set_config('statement_timeout', :within, true)"), {"within": CLOSE_WITHIN}
            )
            await session.execute(ONE_AT_A_TIME)
            await self._check_ready(session, month)
            basis = await basis_of(session, month)
            doubts = (await session.execute(DOUBTS, {"most": MOST_DOUBTS})).mappings().all()
            asked = {
                "month": month, "through": through, "priced": basis.priced, "rule": json.dumps(basis.rule.as_json())
            }  # fmt: skip
            said = {"by": caller.actor, "doubts": json.dumps([dict(one) for one in doubts], default=str)}
            try:
                async with session.begin_nested():
                    await session.execute(CLOSE, asked | said)
            except IntegrityError:
                # Looked for only then: to reckon a month once more takes as long as to close it.
                if (missing := (await session.execute(UNPRICED, asked)).one_or_none()) is None:
                    raise
                raise PriceMissing(missing.phone_number, missing.begins) from None
            await session.execute(select(func.tell_final(month)))
            period = (await session.scalars(select(BillingPeriod).where(BillingPeriod.month == month))).one()
            note(
                session, actor=caller.actor, action="period.closed", of=("period", f"{month:%Y-%m}"), tenant=None,
                before={"state": "draft"}, request_id=request_id,
                after={"state": "final", "charges": period.charges, "hash": period.hash.hex()},
            )  # fmt: skip
        return _told(month, period, months_later(month, 2))

    async def _check_ready(self, session: AsyncSession, month: date) -> None:
        """Raises: PeriodFinal, PeriodNotReady."""
        last = await last_final(session)
        if last is not None and month <= last:
            raise PeriodFinal(month, mend="What is found out later is charged in the next open month.")
        if last is not None and month != (due := months_later(last, 1)):
            raise PeriodNotReady(f"{due:%Y-%m} is not closed yet; months are closed one after the other.")
        if state_of(month, await today_of(session)) != "draft":
            raise PeriodNotReady(f"{month:%Y-%m} ends on {months_later(month, 1)}; it can be closed from then on.")


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


def _told(month: date, final: BillingPeriod | None, today: date) -> dict[str, Any]:
    told: dict[str, Any] = {"period": f"{month:%Y-%m}", "state": state_of(month, today)}
    if final is None:
        return told | dict.fromkeys(("hash", "charges", "closed_at", "closed_by", "charging_rule", "doubts"))
    return {
        "period": f"{month:%Y-%m}", "state": "final", "hash": final.hash.hex(), "charges": final.charges,
        "closed_at": final.closed_at, "closed_by": final.closed_by, "charging_rule": final.rule,
        "doubts": len(final.doubts),
    }  # fmt: skip
