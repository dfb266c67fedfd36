"""Final months reckoned anew from the facts, number by number, by other means than they were closed with.

A month is closed by the database, all numbers at once; here each number's charges are reckoned in Python, from the
facts and prices that the month was closed on, and hashed in the same form. One that was changed, added or taken away
since, and a reckoning that went wrong, each give another hash.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.accrual import Line, Owner, accrue
from service.billing.book import priced
from service.billing.charging import ChargingRule
from service.billing.facts import Fact, lives
from service.billing.models import BillingPeriod, Charge, NumberFact
from service.billing.prices import Priced, in_force
from service.db import Database
from service.kit.money import months_later
from service.prices.models import PriceRow

ONE_DAY = timedelta(days=1)
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Closed:
    """A month that is final, and up to which fact and price it goes. `digest`: what its hash was said to be."""

    month: date
    rule: ChargingRule
    through: int
    priced: int
    digest: bytes


@dataclass
class Verified:
    """What a month's charges come to: by the facts, and as they are stored."""

    closed: Closed
    reckoned: Any = field(default_factory=sha256)
    stored: Any = field(default_factory=sha256)
    charges: int = 0

    @property
    def faults(self) -> list[str]:
        found = []
        if not compare_digest(self.stored.digest(), self.closed.digest):
            found.append("its charges are not those that it was closed with")
        if not compare_digest(self.reckoned.digest(), self.closed.digest):
            found.append("the facts give other charges than it was closed with")
        return found


def written(line: Line, corrects: date | None) -> str:
    """A charge as it is hashed: JSON as Postgres writes `jsonb`."""
    owner = line.owner
    told = [
        str(line.number_id), line.kind, str(line.begins), str(line.ends), str(line.due), line.micros, line.currency,
        str(line.price_id), owner.tenant_id, owner.organization_id, owner.user_id, owner.holder_user_id,
        owner.cost_center, [*owner.tags], str(corrects) if corrects else None,
    ]  # fmt: skip
    return json.dumps(told, ensure_ascii=False)


def charged(
    facts: Iterable[Fact], book: Iterable[Priced], closed: Iterable[Closed]
) -> Iterator[tuple[date, list[str]]]:
    """What one number is charged in each month, as it is hashed, in order. `facts`: of that number. `closed`: by month.

    A month charges what is due in it, and the difference between what those before it should have charged, by what is
    known now, and what they did.
    """
    known, prices, before = [*facts], [*book], [*closed]
    so_far: Counter[tuple[date, Line]] = Counter()
    through = None
    for place, period in enumerate(before):
        seen = [fact for fact in known if fact.seq <= period.through]
        now: Counter[tuple[date, Line]] = Counter()
        if any(through is not None and fact.seq > through for fact in seen):
            for earlier in before[:place]:
                for line in _due(seen, prices, earlier, priced_through=period.priced):
                    now[earlier.month, replace(line, micros=0)] += line.micros
            late = {key: now[key] - so_far[key] for key in now.keys() | so_far.keys()}
        else:
            late = {}
        lines = [written(line, None) for line in _due(seen, prices, period, priced_through=period.priced)]
        for (month, line), micros in late.items():
            if micros:
                lines.append(written(replace(line, micros=micros), month))
                so_far[month, line] += micros
        for line in _due(seen, prices, period, priced_through=period.priced):
            so_far[period.month, replace(line, micros=0)] += line.micros
        through = period.through
        yield period.month, sorted(lines, key=str.encode)


def _due(facts: list[Fact], book: list[Priced], period: Closed, *, priced_through: int) -> Iterator[Line]:
    until = months_later(period.month, 1) - ONE_DAY
    for life, last in lives(facts, period.rule):
        prices = in_force((one for one in book if one.seq <= priced_through), last)
        yield from (line for line in accrue(life, period.rule, prices, until=until) if line.due >= period.month)


async def verify(database: Database, *, only: date | None = None) -> list[Verified]:
    """Every month that is final, or the one."""
    async with database.acting(duty="finance", sees=["*"]) as session:
        months = (await session.scalars(select(BillingPeriod).order_by(BillingPeriod.month))).all()
        closed = [
            Closed(one.month, ChargingRule(**one.rule), one.facts_through, one.prices_through, one.hash)
            for one in months
        ]
        book = [priced(row) for row in (await session.scalars(select(PriceRow))).all()]
        found = {one.month: Verified(one) for one in closed}
        if closed:
            async for facts in _by_number(session, closed[-1].through):
                for month, lines in charged(facts, book, closed):
                    found[month].charges += len(lines)
                    for line in lines:
                        found[month].reckoned.update(sha256(line.encode()).digest())
            await _stored(session, found)
    return [one for month, one in found.items() if only in (None, month)]


async def _by_number(session: AsyncSession, through: int) -> AsyncIterator[list[Fact]]:
    rows = await session.stream_scalars(
        select(NumberFact)
        .where(NumberFact.seq <= through)
        .order_by(NumberFact.number_id, NumberFact.seq)
        .execution_options(yield_per=AT_ONCE)
    )
    facts: list[Fact] = []
    async for row in rows:
        if facts and facts[0].number_id != row.number_id:
            yield facts
            facts = []
        facts.append(_fact(row))
    if facts:
        yield facts


def _fact(row: NumberFact) -> Fact:
    own = None
    if row.price_setup is not None and row.price_monthly is not None and row.price_currency is not None:
        own = row.price_setup, row.price_monthly, row.price_currency
    return Fact(
        row.seq, row.number_id, row.valid_at, _owner(row), row.acquired_at, row.ended_at, row.number_type,
        row.area_code, own,
    )  # fmt: skip


async def _stored(session: AsyncSession, found: dict[date, Verified]) -> None:
    rows = await session.stream_scalars(
        select(Charge).order_by(Charge.month, Charge.place).execution_options(yield_per=AT_ONCE)
    )
    async for row in rows:
        line = Line(
            row.number_id, row.kind, row.begins, row.ends, row.due, row.micros, row.currency, row.price_id,  # type: ignore[arg-type]
            _owner(row),
        )  # fmt: skip
        found[row.month].stored.update(sha256(written(line, row.corrects).encode()).digest())


def _owner(row: NumberFact | Charge) -> Owner:
    return Owner(
        row.tenant_id, row.organization_id, row.user_id, row.holder_user_id, row.cost_center, tuple(row.tags)
    )  # fmt: skip
