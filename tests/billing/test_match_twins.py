"""The database's match and that of a few lines in Python are the same, of invoices that chance makes."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from service.billing.accrual import Owner, accrue
from service.billing.facts import Fact, lives
from service.billing.matching import Charge, Earlier, Finding, InvoiceLine, match
from service.billing.prices import Priced, in_force
from service.kit.money import months_later
from tests.billing.histories import MONTH, NEXT, PRICES, History, some_history, with_errors
from tests.billing.test_matching import _spoilt
from tests.billing.test_twins import file

ROUNDS = 6
BOOK = [Priced(price) for price in PRICES]


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


async def keep(connection: asyncpg.Connection, history: History) -> UUID:
    """All of the ledger that a match reads. Returns the account."""
    await connection.execute(
        "TRUNCATE invoices, dispute_lines, disputes, numbers, billing_periods, charges CASCADE; DELETE FROM accounts;"
        " ALTER TABLE numbers DISABLE TRIGGER USER; ALTER TABLE dispute_credits DISABLE TRIGGER ALL"
    )
    account = uuid4()
    await connection.execute(
        "INSERT INTO accounts (id, name, base_url, teli_tenant_id) VALUES ($1, 'one', 'https://teli.example', 't')",
        account,
    )
    facts: list[Fact] = []
    for one in history.numbers:
        owner = Owner("a", "o", "u")
        for since in (one.acquired, one.acquired + timedelta(days=9)):
            facts.append(
                Fact(len(facts), one.number_id, noon(since), replace(owner, cost_center=str(since)),
                     noon(one.acquired), one.released and noon(one.released), None, "313")
            )  # fmt: skip
    await file(connection, facts, BOOK)
    by_number = sorted(facts, key=lambda fact: (fact.number_id, fact.seq))
    history.charges[:] = [
        Charge(line.number_id, line.kind, line.begins, line.ends, line.due, line.micros)
        for life, last in lives(by_number, history.rule)
        for line in accrue(life, history.rule, in_force(BOOK, last), until=NEXT - timedelta(days=1))
        if line.due >= MONTH
    ]
    await connection.executemany(
        """INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,
             tags, state, mark, acquired_at, subscription_id, released_at)
           VALUES ($1, 'a', $2, 'o', 'u', $3, '', '313', '{}', $4, 'm', $5, $6, $7)""",
        [
            (one.number_id, account, one.phone_number, "released" if one.released else "active",
             noon(one.acquired), one.subscription_id, one.released and noon(one.released))
            for one in history.numbers
        ],
    )  # fmt: skip
    return account


async def file_invoice(connection: asyncpg.Connection, account: UUID, month: date, lines: list[InvoiceLine]) -> UUID:
    [[invoice]] = await connection.fetch(
        """INSERT INTO invoices (account_id, supplier, file_name, content_hash, mapping, currency, month, state, size,
             created_by) VALUES ($1, 'Teli', 'a.csv', uuid_send(gen_random_uuid()), '{}', 'USD', $2, 'ready', 0, 'test')
           RETURNING id""",
        account, month,
    )  # fmt: skip
    await connection.executemany(
        """INSERT INTO invoice_lines (invoice_id, place, subscription_id, phone_number, kind, begins, ends, quantity,
             micros, currency, description) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'USD', '')""",
        [
            (invoice, one.place, one.subscription_id, one.phone_number, one.kind, one.begins, one.ends, one.quantity,
             one.micros)
            for one in lines
        ],
    )  # fmt: skip
    await connection.executemany(
        "INSERT INTO dispute_credits (invoice_id, place, dispute_id, line, micros) VALUES ($1, $2, $1, 1, $3)",
        [(invoice, one.place, -one.settles) for one in lines if one.settles],
    )
    assert isinstance(invoice, UUID)
    return invoice


async def file_earlier(
    connection: asyncpg.Connection, account: UUID, lines: list[InvoiceLine], chance: random.Random
) -> list[Earlier]:
    """Invoices that charged some of the lines before: otherwise, in part, by the number alone; judged, given back."""
    earlier: list[Earlier] = []
    for order in range(chance.choice((0, 1, 2))):
        month = chance.choice((MONTH, MONTH, months_later(MONTH, -1), months_later(MONTH, -14)))
        some = [
            replace(
                one,
                place=place,
                settles=0,
                subscription_id=chance.choice((one.subscription_id, one.subscription_id, None)),
                micros=chance.choice((one.micros, one.micros, one.micros // 3, -one.micros)),
            )
            for place, one in enumerate(chance.sample(lines, len(lines) // 3), 1)
        ]
        invoice = await file_invoice(connection, account, month, some)
        dispute = uuid4()
        state = chance.choice(("submitted", "credited"))
        await connection.execute(
            "INSERT INTO disputes (id, invoice_id, account_id, state, title, currency, lines, micros, credited_micros,"
            " created_by, changed_by) VALUES ($1, $2, $3, $4, 'a', 'USD', 1, 1, 1, 'test', 'test')",
            dispute, invoice, account, state,
        )  # fmt: skip
        for one in some:
            due, given = one.micros, 0
            if chance.random() < 0.3:
                due = chance.choice((0, one.micros // 2))
                await connection.execute(
                    "INSERT INTO invoice_findings (invoice_id, finding, place, verdict, kind, expected_micros,"
                    " charged_micros, difference_micros) VALUES ($1, $2, $2, 'price_differs', 'rent', $3, $4, $5)",
                    invoice, one.place, due, one.micros, one.micros - due,
                )  # fmt: skip
            if chance.random() < 0.2 and one.micros > 1:
                given = one.micros if state == "credited" else one.micros // 2
                await connection.execute(
                    "INSERT INTO dispute_lines (dispute_id, line, invoice_id, finding, place, verdict, kind, open,"
                    " expected_micros, charged_micros, micros, credited_micros)"
                    " VALUES ($1, $2, $3, $2, $2, 'price_differs', 'rent', true, 0, $4, $4, $5)",
                    dispute, one.place, invoice, one.micros, one.micros // 2,
                )  # fmt: skip
            earlier.append(Earlier(invoice, order, month, one, min(due, one.micros - given)))
    # What is more than a year apart is not looked at.
    return [one for one in earlier if one.month >= months_later(MONTH, -12)]


async def make_final(connection: asyncpg.Connection, history: History, through: int) -> None:
    """The month, as it was known by then."""
    rule = orjson.dumps(history.rule.as_json()).decode()
    await connection.execute(
        "INSERT INTO billing_periods (month, rule, facts_through, prices_through, charges, hash, closed_by, doubts)"
        " VALUES ($1, $2, $3, 1000000, 0, '', 'test', '[]')",
        MONTH, rule, through,
    )  # fmt: skip
    await connection.execute(
        """INSERT INTO charges (month, place, phone_number, number_id, kind, begins, ends, due, micros, currency,
             price_id, tenant_id, organization_id, user_id, holder_user_id, cost_center, tags)
           SELECT $1, row_number() OVER (), '', d.* FROM charges_due($1, $2, $3, 1000000, $4, NULL) d""",
        MONTH, NEXT, through, rule,
    )  # fmt: skip


def as_finding(row: Any) -> Finding:
    return Finding(row["place"], row["verdict"], row["number_id"], row["expected"], row["charged"], row["begins"],
                   row["ends"], row["other"], row["other_invoice_id"])  # fmt: skip


def order(one: Finding) -> tuple[Any, ...]:
    return one.place is None, one.place, str(one)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 30))])
async def test_the_database_matches_as_the_decision_about_a_few_lines_does(
    superuser_url: str, seed: int, record_property: Callable[[str, object], None]
):
    chance = random.Random(seed)
    compared: dict[str, int] = {}
    connection = await asyncpg.connect(superuser_url)
    try:
        for _ in range(ROUNDS):
            history = some_history(chance, 60)
            lines = with_errors(history, chance, 30).lines
            if chance.random() < 0.5:
                lines = [_spoilt(line, chance) for line in lines]
            if chance.random() < 0.3:
                # Some suppliers put several numbers in one subscription.
                history.numbers[:] = [
                    replace(one, subscription_id="sub_1") if chance.random() < 0.2 else one for one in history.numbers
                ]
            account = await keep(connection, history)
            earlier = await file_earlier(connection, account, lines, chance)
            invoice = await file_invoice(connection, account, MONTH, lines)
            if chance.random() < 0.5:
                # Half of what is known of the numbers came to light later.
                await make_final(connection, history, len(history.numbers))
            terms = replace(history.terms, tolerance=chance.choice((0, 600_000)))
            rows = await connection.fetch(
                "SELECT * FROM match_invoice($1, $2, 1000000, 1000000, $3, $4)",
                invoice, MONTH, orjson.dumps(history.rule.as_json()).decode(), terms.tolerance,
            )  # fmt: skip
            found = sorted(map(as_finding, rows), key=order)
            wanted = sorted(match(lines, history.charges, history.numbers, terms, earlier), key=order)
            assert found == wanted, (history.rule, [one for one in found if one not in wanted][:3])
            for one in found:
                kind = "charged before" if one.other_invoice else one.verdict
                compared[kind] = compared.get(kind, 0) + 1
    finally:
        await connection.close()
    record_property("told", f"{sum(compared.values())} findings, the same by SQL and by the decision in Python")
    assert len(compared) >= 8, compared
