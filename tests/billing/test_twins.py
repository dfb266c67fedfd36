"""The database's reckoning and that of one number in Python are the same, of lives that chance makes."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID

import asyncpg
import orjson
import pytest

from service.billing.accrual import Line, Owner, PriceVersion, accrue
from service.billing.charging import ChargingRule
from service.billing.facts import Fact, lives
from service.billing.prices import Priced, in_force
from service.kit.clock import utc_now
from service.kit.money import months_later

LIVES = 120
BEGAN = datetime(2023, 11, 20, 3, 30, tzinfo=UTC)
RULES = [
    ChargingRule(cycle, proration, due, zone, free, least)
    for cycle, proration, due in product(("anniversary", "calendar"), ("none", "daily"), ("advance", "arrears"))
    for zone, free, least in (("UTC", 0, 0), ("America/New_York", 3, 0), ("Pacific/Auckland", 0, 3))
]  # fmt: skip


def some_facts(chance: random.Random) -> list[Fact]:
    facts: list[Fact] = []
    for place in range(LIVES):
        acquired = BEGAN + timedelta(days=chance.randrange(500), seconds=chance.randrange(86400))
        ended = acquired + timedelta(hours=chance.choice((0, 1, 30, 24 * chance.randrange(400))))
        area, kind = chance.choice(("313", "415")), chance.choice((None, "voice", "toll-free"))
        own = (500_000, 1_234_567, "USD") if chance.random() < 0.1 else None
        owner = Owner(chance.choice("ab"), chance.choice(("o1", "o2")), "u")
        known = Fact(0, UUID(int=place + 1), acquired, owner, acquired, None, kind, area, own)
        facts.append(known)
        for _ in range(chance.choice((0, 0, 0, 1, 2, 4))):
            changed = replace(
                known.owner,
                holder_user_id=chance.choice((None, "h1", "h2")),
                cost_center=chance.choice((None, "c1", "c2")),
                tags=chance.choice(((), ("t1",), ("t1", "t2"))),
            )
            since = acquired + timedelta(days=chance.choice((-3, 0, 0, 1, chance.randrange(200))), hours=1)
            known = replace(known, owner=changed, valid_at=since)
            facts.append(known)
        if chance.random() < 0.6:
            facts.append(replace(known, ended_at=ended, valid_at=ended))
    return [replace(fact, seq=place) for place, fact in enumerate(facts)]


def some_prices(chance: random.Random) -> list[Priced]:
    book = [Priced(PriceVersion(UUID(int=900), date(2020, 1, 1), 1_000_000, 2_990_000, "USD"))]
    scopes = {(None, None, None, date(2020, 1, 1))}
    for place in range(6):
        scope = (chance.choice((None, "o1")), chance.choice((None, "voice")), chance.choice((None, "415")))
        since = date(2023, 11, 1) + timedelta(days=chance.randrange(600))
        if (*scope, since) not in scopes:
            scopes.add((*scope, since))
            price = PriceVersion(UUID(int=901 + place), since, chance.choice((0, 700_000)), 1_000_001 + place, "USD")
            book.append(Priced(price, *scope))
    return book


async def file(connection: asyncpg.Connection, facts: list[Fact], book: list[Priced]) -> None:
    await connection.execute("TRUNCATE number_facts, price_versions CASCADE")
    await connection.executemany(
        """INSERT INTO number_facts (seq, number_id, valid_at, tenant_id, organization_id, user_id, holder_user_id,
             cost_center, tags, number_type, area_code, acquired_at, ended_at, price_setup, price_monthly,
             price_currency) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)""",
        [
            (one.seq, one.number_id, one.valid_at, one.owner.tenant_id, one.owner.organization_id, one.owner.user_id,
             one.owner.holder_user_id, one.owner.cost_center, [*one.owner.tags], one.number_type, one.area_code,
             one.acquired_at, one.ended_at, *(one.own_price or (None, None, None)))
            for one in facts
        ],
    )  # fmt: skip
    await connection.executemany(
        "INSERT INTO organizations (id) VALUES ($1) ON CONFLICT DO NOTHING",
        [(one.organization_id,) for one in book if one.organization_id is not None],
    )
    await connection.executemany(
        """INSERT INTO price_versions (id, organization_id, number_type, area_code, since, setup, monthly, currency,
             created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'test')""",
        [
            (one.price.id, one.organization_id, one.number_type, one.area_code, one.price.since, one.price.setup,
             one.price.monthly, one.price.currency)
            for one in book
        ],
    )  # fmt: skip


def expected(facts: list[Fact], book: list[Priced], rule: ChargingRule, lo: date, hi: date) -> list[Line]:
    by_number = sorted(facts, key=lambda fact: (fact.number_id, fact.seq))
    return [
        line
        for life, last in lives(by_number, rule)
        for line in accrue(life, rule, in_force(book, last), until=hi - timedelta(days=1))
        if lo <= line.due
    ]


def as_line(row: asyncpg.Record) -> Line:
    owner = Owner(row["tenant_id"], row["organization_id"], row["user_id"], row["holder_user_id"], row["cost_center"],
                  tuple(row["tags"]))  # fmt: skip
    return Line(row["number_id"], row["kind"], row["begins"], row["ends"], row["due"], row["micros"], row["currency"],
                row["price_id"], owner)  # fmt: skip


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 30))])
async def test_the_database_charges_what_the_reckoning_of_one_number_says(
    superuser_url: str, seed: int, record_property: Callable[[str, object], None]
):
    chance = random.Random(seed)
    facts, book = some_facts(chance), some_prices(chance)
    compared = 0
    connection = await asyncpg.connect(superuser_url)
    try:
        await file(connection, facts, book)
        for rule in RULES:
            lo = date(2023, 11, 1) + timedelta(days=chance.randrange(500))
            hi = lo + timedelta(days=chance.choice((1, 28, 31, 90, 700)))
            rows = await connection.fetch(
                "SELECT * FROM charges_due($1, $2, $3, 1000000, $4, NULL)",
                lo, hi, len(facts), orjson.dumps(rule.as_json()).decode(),
            )  # fmt: skip
            found, wanted = ({*map(as_line, rows)}, {*expected(facts, book, rule, lo, hi)})
            assert len(rows) == len(found)
            assert not found ^ wanted, (
                rule,
                lo,
                hi,
                sorted(found - wanted, key=str)[:3],
                sorted(wanted - found, key=str)[:3],
            )
            compared += len(rows)
    finally:
        await connection.close()
    record_property("told", f"{compared} charges by {len(RULES)} rules, the same by SQL and by the reckoning of one")
    assert compared > 1000


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 30))])
async def test_the_price_in_force_on_a_day_is_the_same_in_the_database(superuser_url: str, seed: int):
    chance = random.Random(seed)
    facts, book = some_facts(chance), some_prices(chance)
    connection = await asyncpg.connect(superuser_url)
    try:
        await file(connection, [], book)
        for fact in (replace(fact, own_price=None) for fact in facts):
            day = date(2023, 10, 1) + timedelta(days=chance.randrange(800))
            found = await connection.fetchval(
                "SELECT price_id FROM price_in_force($1, $2, $3, $4)",
                fact.owner.organization_id, fact.number_type, fact.area_code, day,
            )  # fmt: skip
            assert found == [price for price in in_force(book, fact) if price.since <= day][-1].id
    finally:
        await connection.close()


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 30))])
async def test_what_a_number_costs_to_date_and_next_is_the_sum_of_its_charges(superuser_url: str, seed: int):
    """Of months that are final by the rule that they were closed with, of others by the present one."""
    chance = random.Random(seed)
    facts, book = some_facts(chance), some_prices(chance)
    zone = chance.choice(("UTC", "Pacific/Auckland"))
    then, now = (replace(rule, time_zone=zone) for rule in chance.sample(RULES, 2))
    first_open = date(2024, chance.randrange(2, 13), 1)
    connection = await asyncpg.connect(superuser_url)
    try:
        await file(connection, facts, book)
        await connection.execute(
            """INSERT INTO billing_periods
                 (month, rule, facts_through, prices_through, charges, hash, closed_by, doubts)
               SELECT m, $1, 0, 0, 0, '', 'test', '[]'
               FROM generate_series(date '2023-11-01', $2::date - 1, interval '1 month') m""",
            orjson.dumps(then.as_json()).decode(), first_open,
        )  # fmt: skip
        after = datetime(2024, 5, 3, 15, tzinfo=UTC)
        numbers = sorted({fact.number_id for fact in facts})
        rows = await connection.fetch(
            "SELECT * FROM costs_of($1, $2, $3, $4)",
            numbers, [after] * len(numbers), [None] * len(numbers), orjson.dumps(now.as_json()).decode(),
        )  # fmt: skip
        today = now.day_of(utc_now())
        far = months_later(today, 3) + timedelta(days=now.free_days)
        lines = expected(facts, book, now, date(1970, 1, 1), date(2023, 11, 1))
        lines += expected(facts, book, then, date(2023, 11, 1), first_open)
        lines += expected(facts, book, now, first_open, far)
        found = {row["number_id"]: (row["to_date"], row["within"], row["next_charge"]) for row in rows}
        assert found == {number: sums(number, lines, today, now.day_of(after)) for number in numbers}
    finally:
        await connection.close()


def sums(number: UUID, lines: list[Line], today: date, after: date) -> tuple[int, int, int]:
    of = [line for line in lines if line.number_id == number]
    ahead = [line for line in of if line.due > today and line.kind != "credit"]
    due = min((line.due for line in ahead), default=None)
    return (
        sum(line.micros for line in of if line.due <= today),
        sum(line.micros for line in of if after < line.due <= today),
        sum(line.micros for line in ahead if line.due == due),
    )
