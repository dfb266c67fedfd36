"""A month made final: reckoned, written and hashed by one statement, in a task that outlives the one who asked."""

import asyncio
import json
from datetime import date
from time import monotonic
from typing import Any

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.billing.auth import acting_for
from service.billing.book import last_final, present_rule
from service.billing.errors import PeriodFinal, PeriodNotReady, PriceMissing
from service.billing.models import BillingPeriod, NumberFact
from service.billing.periods import CLOSING, basis_of, count_of, state_of, today_of, told_of
from service.db import Database, let_take
from service.kit.money import months_later
from service.numbers.drain import Drain
from service.prices.pricing import ONE_AT_A_TIME, Pricing
from service.tenants.principals import Principal

# For each of the sorts and hashes that it is made of, of which a few are there at one time.
WORK_MEMORY = "64MB"
MOST_DOUBTS = 1000
log = structlog.get_logger(__name__)
# Of what the hash of a month is made: `service.billing.verifying` writes the same.
TOLD = (
    "number_id", "kind", "begins", "ends", "due", "micros", "currency", "price_id", "tenant_id", "organization_id",
    "user_id", "holder_user_id", "cost_center", "tags", "corrects",
)  # fmt: skip
MORE_MEMORY = text("SELECT set_config('work_mem', :memory, true)")
TURN = text(f"SELECT pg_try_advisory_xact_lock({CLOSING}, :month)")
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


class Closing:
    """`database`: whose statements may take as many seconds as `within`. `answer_within`: how long whoever asks is kept
    waiting.
    """

    def __init__(
        self, database: Database, pricing: Pricing, drain: Drain, *, within: float, answer_within: float
    ) -> None:
        self._database, self._pricing, self._drain = database, pricing, drain
        self._within, self._answer_within = within, answer_within
        self._under_way: set[asyncio.Task[dict[str, Any]]] = set()

    async def close(self, caller: Principal, month: date, request_id: str) -> dict[str, Any]:
        """Make a month final: its charges, and what became known late of those before it, from what is known now.

        What takes longer than the answer may goes on, and the month is told as `closing`. Should the process die, the
        month is a draft as before.

        Raises: PeriodFinal; PeriodNotReady for a month that runs still, is being closed, or has one before it that is
            not closed; PriceMissing.
        """
        closing = asyncio.create_task(self._close(caller, month, request_id))
        self._under_way.add(closing)
        closing.add_done_callback(self._ended)
        await self._drain.wait({closing}, until=monotonic() + self._answer_within)
        return closing.result() if closing.done() else told_of(month, None, month, closing=True)

    def _ended(self, closing: "asyncio.Task[dict[str, Any]]") -> None:
        self._under_way.discard(closing)
        if not closing.cancelled() and (error := closing.exception()) is not None:
            log.warning("a month was not closed", error=str(error)[:300])

    async def stop(self) -> None:
        """Those under way are undone: their months are drafts as before."""
        for closing in self._under_way:
            closing.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _close(self, caller: Principal, month: date, request_id: str) -> dict[str, Any]:
        await self._pricing.ensure_default()
        async with acting_for(self._database, caller) as session:
            await self._check_ready(session, month)
            # In a transaction of its own, for purchases wait while it lasts.
            await session.execute(text("SELECT set_config('lock_timeout', '2s', true)"))
            through = (await session.scalars(select(func.facts_known()))).one()
        async with acting_for(self._database, caller) as session:
            await let_take(session, self._within)
            await session.execute(MORE_MEMORY, {"memory": WORK_MEMORY})
            if not await session.scalar(TURN, {"month": count_of(month)}):
                raise PeriodNotReady(f"{month:%Y-%m} is being closed; GET /v1/billing/periods says when it is final.")
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
        return told_of(month, period, months_later(month, 2))

    async def _check_ready(self, session: AsyncSession, month: date) -> None:
        """Raises: PeriodFinal, PeriodNotReady."""
        last = await last_final(session)
        if last is not None and month <= last:
            if await session.get(BillingPeriod, month) is None:
                raise PeriodNotReady(f"{month:%Y-%m} is before the first month that was closed, and is never charged.")
            raise PeriodFinal(month, mend="What is found out later is charged in the next open month.")
        due = months_later(last, 1) if last is not None else await _first_month(session)
        if due is not None and month > due:
            raise PeriodNotReady(f"{due:%Y-%m} is not closed yet; months are closed one after the other.")
        if state_of(month, await today_of(session)) != "draft":
            raise PeriodNotReady(f"{month:%Y-%m} ends on {months_later(month, 1)}; it can be closed from then on.")


async def _first_month(session: AsyncSession) -> date | None:
    """In which a number was held: what it charges would otherwise be nobody's for ever."""
    first = await session.scalar(select(func.min(NumberFact.acquired_at)))
    return None if first is None else (await present_rule(session)).day_of(first).replace(day=1)
