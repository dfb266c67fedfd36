"""Histories that chance makes: months are closed one by one while numbers come, move, go and are found out late."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.billing.accrual import Line, Owner, PriceVersion, accrue
from service.billing.charging import ChargingRule
from service.billing.facts import Fact, lives
from service.billing.prices import Priced, in_force
from service.billing.statements import GROUPS
from service.billing.verifying import verify
from service.kit.money import months_later
from tests.inventory.rows import fill
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

MONTHS = [months_later(date(2024, 1, 1), place) for place in range(14)]
NUMBERS = 60
RULES = [
    ChargingRule(cycle, proration, due, zone, free, least)
    for cycle, proration, due in product(("anniversary", "calendar"), ("none", "daily"), ("advance", "arrears"))
    for zone, free, least in (("UTC", 0, 0), ("America/New_York", 3, 2))
]  # fmt: skip


@dataclass
class History:
    """What happened, and what is known of it so far. `book`: as it is filed."""

    chance: random.Random
    finance: Tenant
    ledger: asyncpg.Connection
    ids: list[UUID]
    tenant_id: str
    known: dict[UUID, list[Fact]] = field(default_factory=dict)
    closed: list[tuple[date, ChargingRule, int]] = field(default_factory=list)
    totals: dict[date, Any] = field(default_factory=dict)
    seq: int = 0

    async def happen(self, month: date) -> None:
        """Some of what is told of numbers while a month runs: of this month, or of one long gone."""
        for _ in range(self.chance.randrange(4, 14)):
            late = timedelta(days=self.chance.choice((0, 0, 0, 0, 20, 60, 200)))
            when = datetime.combine(month, time(), UTC) + timedelta(minutes=self.chance.randrange(28 * 1440)) - late
            when = max(when, datetime(2024, 1, 1, tzinfo=UTC))
            await self.tell(self.of_one(when))

    def of_one(self, when: datetime) -> Fact:
        unheard = [number for number in self.ids if number not in self.known]
        if unheard and (not self.known or self.chance.random() < 0.5):
            owner = Owner(self.tenant_id, ORGANIZATION, USER, cost_center=self.chance.choice((None, "c1")))
            return Fact(0, unheard[0], when, owner, when, None, "voice", self.chance.choice(("313", "415")))
        before = self.known[self.chance.choice([*self.known])][-1]
        if self.chance.random() < 0.3:
            ended = max(when, before.acquired_at) if before.ended_at is None else None
            return replace(before, ended_at=ended, valid_at=ended or when)
        if self.chance.random() < 0.1:
            return replace(before, acquired_at=min(when, before.ended_at or when))
        moved = replace(
            before.owner,
            holder_user_id=self.chance.choice((None, "h1", "h2")),
            cost_center=self.chance.choice((None, "c1", "c2")),
            tags=self.chance.choice(((), ("t1",), ("t1", "t2"))),
        )
        return replace(before, owner=moved, valid_at=when)

    async def tell(self, fact: Fact) -> None:
        self.seq += 1
        fact = replace(fact, seq=self.seq)
        self.known.setdefault(fact.number_id, []).append(fact)
        owner = fact.owner
        await self.ledger.execute(
            """INSERT INTO number_facts (seq, number_id, valid_at, tenant_id, organization_id, user_id, holder_user_id,
                 cost_center, tags, number_type, area_code, acquired_at, ended_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)""",
            fact.seq, fact.number_id, fact.valid_at, owner.tenant_id, owner.organization_id, owner.user_id,
            owner.holder_user_id, owner.cost_center, [*owner.tags], fact.number_type, fact.area_code,
            fact.acquired_at, fact.ended_at,
        )  # fmt: skip

    async def file_price(self, month: date) -> None:
        since = month + timedelta(days=self.chance.randrange(60))
        price = {"setup": self.chance.choice((0, 500_000)), "monthly": self.chance.randrange(1_000_000, 4_000_000)}
        scope = self.chance.choice(({}, {"organization_id": ORGANIZATION}, {"area_code": "415"}))
        answer = await self.finance.send("POST", "/v1/billing/prices", json={"since": str(since), **price, **scope})
        assert answer.status_code in {201, 409}, answer.text

    async def close(self, month: date, rule: ChargingRule) -> None:
        draft = await self.statement(month)
        answer = await self.finance.send("POST", f"/v1/billing/periods/{month:%Y-%m}/close")
        assert answer.status_code == 200, answer.text
        self.closed.append((month, rule, self.seq))
        self.totals[month] = await self.statement(month)
        assert self.totals[month]["totals"] == draft["totals"]

    async def statement(self, month: date, *group_by: str) -> dict[str, Any]:
        asked = {"group_by": ",".join(group_by)} if group_by else {}
        answer = await self.finance.get(f"/v1/billing/statements/{month:%Y-%m}", params=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def book(self) -> list[Priced]:
        rows = await self.ledger.fetch("SELECT * FROM price_versions")
        return [
            Priced(
                PriceVersion(row["id"], row["since"], row["setup"], row["monthly"], row["currency"]),
                row["organization_id"], row["number_type"], row["area_code"], row["seq"],
            )
            for row in rows
        ]  # fmt: skip

    async def truth(self) -> Counter[tuple[Any, ...]]:
        """What the closed months should have charged in all, to whom and for what, by all that is known now."""
        sums: Counter[tuple[Any, ...]] = Counter()
        for line in self.due(await self.book()):
            sums[bill(line)] += line.micros
        return Counter({key: micros for key, micros in sums.items() if micros})

    def due(self, book: list[Priced]) -> Iterable[Line]:
        for facts in self.known.values():
            for month, rule, _ in self.closed:
                until = months_later(month, 1) - timedelta(days=1)
                for life, last in lives(facts, rule):
                    yield from (
                        line for line in accrue(life, rule, in_force(book, last), until=until) if line.due >= month
                    )

    async def charged(self) -> Counter[tuple[Any, ...]]:
        rows = await self.ledger.fetch("SELECT * FROM charges")
        sums: Counter[tuple[Any, ...]] = Counter()
        for row in rows:
            sums[
                row["number_id"], row["kind"], row["begins"], row["ends"], row["cost_center"], row["holder_user_id"]
            ] += row["micros"]
        return Counter({key: micros for key, micros in sums.items() if micros})


def bill(line: Line) -> tuple[Any, ...]:
    owner = line.owner
    return line.number_id, line.kind, line.begins, line.ends, owner.cost_center, owner.holder_user_id


@pytest.mark.parametrize("seed", [1, 9, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(10, 40))])
async def test_whatever_comes_to_light_later_final_months_stay_and_what_is_charged_comes_to_the_truth(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection, seed: int
):
    chance = random.Random(seed)
    await fill(gateway, tenant.id, NUMBERS)
    await ledger.execute("TRUNCATE number_facts")
    ids = [row["id"] for row in await ledger.fetch("SELECT id FROM numbers ORDER BY phone_number")]
    history = History(chance, finance, ledger, ids, tenant.id)
    rule = chance.choice(RULES)
    filed = await finance.send("PUT", "/v1/billing/charging-rule", json=rule.as_json())
    assert filed.status_code == 200, filed.text
    corrected = 0
    for month in MONTHS:
        await history.file_price(month)
        await history.happen(month)
        await history.close(month, rule)
        corrected += sum(total["corrections"] != 0 for total in history.totals[month]["totals"])
        assert await history.charged() == await history.truth(), month

    # Late facts only: nothing of what is final moves, and one more close puts the whole right.
    for earlier in MONTHS:
        whole = await history.statement(earlier)
        assert whole == history.totals[earlier]
        for group in GROUPS:
            grouped = (await history.statement(earlier, group))["groups"]
            for total in whole["totals"]:
                same = [one for one in grouped if one["currency"] == total["currency"]]
                for summed in ("micros", "charges", "corrections"):
                    assert sum(one[summed] for one in same) == total[summed], (earlier, group, summed)
    verified = await verify(gateway.worker.database)
    assert {found.closed.month: found.faults for found in verified} == {month: [] for month in MONTHS}
    assert corrected > 3, "what came to light late was charged"
