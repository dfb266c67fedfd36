"""A year of a supplier that errs: each month is closed, its invoice read and matched, and every error found.

Some numbers are found out late: bought in a month, adopted in a later one. Until then their charges are of numbers that
were never ours, as far as anybody can know, and after that they are not.
"""

import csv
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from uuid import UUID

import asyncpg
import pytest

from service.billing.accrual import Held, Life, Line, Owner, PriceVersion, accrue
from service.billing.charging import ChargingRule
from service.billing.verifying import verify
from service.kit.clock import utc_now
from service.kit.money import months_later
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

THIS = utc_now().date().replace(day=1)
MONTHS = [months_later(THIS, place) for place in range(-12, 0)]
# Numbers were held in these before, and no invoice is there for them.
OLDER = [months_later(MONTHS[0], -2), months_later(MONTHS[0], -1)]
RULE = ChargingRule()
PRICE = PriceVersion(UUID(int=0), date(2020, 1, 1), 1_000_000, 2_990_000, "USD")
RISE = PriceVersion(UUID(int=1), months_later(THIS, -5) + timedelta(days=9), 1_000_000, 3_490_000, "USD")
HEAD = ("Subscription", "Phone number", "Kind", "From", "To", "Quantity", "Amount", "Currency", "Description")
WAYS = ("price_differs", "quantity_differs", "charged_after_release", "never_ours", "not_charged", "duplicate")
Key = tuple[str, str, str]


@dataclass
class Bought:
    """A number as it was in truth. `known`: the first day of the month in which the ledger learns of it."""

    id: UUID
    phone_number: str
    subscription: str
    acquired: datetime
    released: datetime | None
    known: date

    @property
    def life(self) -> Life:
        owner = Held(self.acquired.date(), Owner("", ORGANIZATION, USER))
        return Life(self.id, self.acquired.date(), [owner], self.released.date() if self.released else None)


@dataclass
class Row:
    """A line of the invoice."""

    number: Bought
    kind: str
    begins: date
    ends: date
    micros: int
    quantity: int = 1

    def cells(self) -> list[str]:
        amount = f"{self.micros / 1_000_000:,.2f}"
        days = [f"{day:%d %b %Y}" for day in (self.begins, self.ends)]
        said = "Set up" if self.kind == "setup" else "Monthly rent"
        return [self.number.subscription, self.number.phone_number, self.kind, *days, str(self.quantity), amount, "USD",
                f"{said}, {self.number.phone_number}"]  # fmt: skip

    def key(self) -> Key:
        return self.number.phone_number, self.kind, str(self.begins)


@dataclass
class Invoice:
    """`errors`: what is to be found, how often, by number, kind and first day."""

    rows: list[Row] = field(default_factory=list)
    errors: Counter[tuple[Key, str]] = field(default_factory=Counter)


def some_numbers(chance: random.Random, count: int) -> list[Bought]:
    """Of every twenty one is found out late; of those given back some are sold again."""
    found: list[Bought] = []
    first = datetime.combine(OLDER[0], time(12), UTC)
    while len(found) < count:
        phone = f"+1313{2_000_000 + len(found)}"
        acquired = first + timedelta(hours=chance.randrange(24 * 400))
        for _ in range(chance.choice((1, 1, 1, 2))):
            if acquired.date() >= THIS:
                break
            ended = acquired + timedelta(hours=chance.randrange(24 * 300)) if chance.random() < 0.4 else None
            late = chance.choice((1, 2, 3)) if chance.random() < 0.05 else 0
            known = months_later(acquired.date().replace(day=1), late)
            number = UUID(int=chance.getrandbits(128), version=4)
            found.append(Bought(number, phone, f"sub_{len(found)}", acquired, ended, known))
            if ended is None:
                break
            acquired = ended + timedelta(days=35)
    return found


def charged(numbers: list[Bought], month: date) -> list[Row]:
    """What a supplier without a fault charges in a month."""
    rows = []
    for number in numbers:
        lines: list[Line] = accrue(number.life, RULE, [PRICE, RISE], until=months_later(month, 1) - timedelta(days=1))
        rows += [
            Row(number, "setup" if line.kind == "setup" else "rent", line.begins, line.ends, line.micros)
            for line in lines
            if line.due >= month
        ]
    return rows


def err(chance: random.Random, numbers: list[Bought], month: date, rows: list[Row]) -> Invoice:
    """One of a hundred lines is wrong, in each of the six ways at least once."""
    invoice = Invoice([*rows])
    rents = [row for row in rows if row.kind == "rent" and row.number.known <= month]
    gone = [one for one in numbers if one.released and one.released.date() < month and one.known <= month]
    ways = [*WAYS, *(chance.choice(WAYS) for _ in range(len(rows) // 100 - len(WAYS)))]
    for way, row in zip(ways, chance.sample(rents, len(ways)), strict=True):
        wrong = replace(row)
        if way == "price_differs":
            wrong.micros += chance.choice((-10_000, 10_000, 1_000_000))
        elif way == "quantity_differs":
            wrong.quantity, wrong.micros = 2, 2 * wrong.micros
        elif way == "never_ours":
            stranger = replace(row.number, phone_number=f"+1212{row.number.phone_number[5:]}", subscription="sub_other")
            wrong.number = stranger
        elif way == "charged_after_release":
            if not gone:
                continue
            wrong.number = chance.choice(gone)
            gone.remove(wrong.number)
        if way in ("price_differs", "quantity_differs", "not_charged"):
            invoice.rows.remove(row)
        if way != "not_charged":
            invoice.rows.append(wrong)
        invoice.errors[wrong.key(), way] += 1
    chance.shuffle(invoice.rows)
    return invoice


def was_ours(number: Bought, numbers: list[Bought], month: date) -> bool:
    """An acquisition before this one is known by then."""
    return any(
        one.phone_number == number.phone_number and one.acquired < number.acquired and one.known <= month
        for one in numbers
    )


class Ledger:
    """What the gateway knows of, told month by month, and the finance person who closes."""

    def __init__(self, gateway: Gateway, tenant: Tenant, finance: Tenant, connection: asyncpg.Connection) -> None:
        self.gateway, self.tenant, self.finance, self.connection = gateway, tenant, finance, connection

    async def learn(self, numbers: list[Bought], month: date) -> None:
        """What becomes known in a month: of purchases, and of releases."""

        def is_over(one: Bought) -> bool:
            return one.released is not None and one.released.date() < months_later(month, 1)

        for one in numbers:
            if one.known == month or (month == MONTHS[0] and one.known < month):
                await self.connection.execute(
                    "INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty,"
                    " area_code, state, mark, acquired_at, subscription_id, confirmed_at, released_at) SELECT $1, $2,"
                    " account_id, $3, $4, $5, '', '313', CASE WHEN $8::timestamptz IS NULL THEN 'active'"
                    " ELSE 'released' END, '', $6, $7, $6, $8 FROM tenants WHERE id = $2",
                    one.id, self.tenant.id, ORGANIZATION, USER, one.phone_number, one.acquired, one.subscription,
                    one.released if is_over(one) else None,
                )  # fmt: skip
            elif one.known < month and is_over(one):
                await self.connection.execute(
                    "UPDATE numbers SET state = 'released', released_at = $2 WHERE id = $1 AND released_at IS NULL",
                    one.id, one.released,
                )  # fmt: skip

    async def matched(self, month: date, invoice: Invoice) -> Counter[tuple[Key, str]]:
        """The invoice filed, read and matched; what is wrong with it, as `Invoice.errors` has it."""
        file = StringIO()
        csv.writer(file).writerows([HEAD, *(row.cells() for row in invoice.rows)])
        answer = await self.finance.send(
            "POST", "/v1/billing/invoices", content=file.getvalue().encode(),
            params={"period": f"{month:%Y-%m}", "file_name": f"{month:%B}.csv"}, headers={"Content-Type": "text/csv"},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        path = f"/v1/billing/invoices/{answer.json()['id']}"
        while await self.gateway.worker.billing.invoice_reading.step():
            continue
        read = (await self.finance.get(path)).json()
        assert (read["state"], read["lines"], read["rejected"]) == ("ready", len(invoice.rows), 0), read
        assert read["micros"] == sum(row.micros for row in invoice.rows)
        return await self.findings(path)

    async def findings(self, path: str) -> Counter[tuple[Key, str]]:
        assert (await self.finance.send("POST", f"{path}/match", json={})).status_code == 202
        await self.gateway.worker.billing.match_work.run()
        summary = (await self.finance.get(f"{path}/match")).json()
        assert summary["state"] == "done", summary
        assert summary["charged_micros"] == summary["expected_micros"] + summary["difference_micros"]
        lines = await self.finance.get(f"{path}/lines", headers={"Accept": "application/x-ndjson"})
        of_place = {line["place"]: line for line in map(json.loads, lines.text.splitlines())}
        told: Counter[tuple[Key, str]] = Counter()
        found = await self.finance.get(f"{path}/findings", headers={"Accept": "application/x-ndjson"})
        for one in map(json.loads, found.text.splitlines()):
            if one["verdict"] != "matched":
                line = of_place[one["place"]] if one["place"] is not None else one
                told[(line["phone_number"], line["kind"], line["begins"]), one["verdict"]] += 1
        return told


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "numbers", [pytest.param(150, id="150 numbers"), pytest.param(2000, marks=pytest.mark.full, id="2,000 numbers")]
)
async def test_a_year_is_closed_and_every_error_of_the_supplier_is_found_and_none_invented(
    gateway: Gateway,
    tenant: Tenant,
    finance: Tenant,
    ledger: asyncpg.Connection,
    numbers: int,
    record_property: Callable[[str, object], None],
):
    chance = random.Random(numbers)
    bought = some_numbers(chance, numbers)
    for price in (PRICE, RISE):
        body = {"since": str(price.since), "setup": price.setup, "monthly": price.monthly}
        assert (await finance.send("POST", "/v1/billing/prices", json=body)).status_code == 201
    books = Ledger(gateway, tenant, finance, ledger)
    planted = found = right = lines = late = 0
    for month in MONTHS:
        await books.learn(bought, month)
        invoice = err(chance, bought, month, charged(bought, month))
        # Nobody can know yet whose these are; where the same E.164 was ours before, that is what is known.
        unknown = Counter(
            (row.key(), "charged_after_release" if was_ours(row.number, bought, month) else "never_ours")
            for row in invoice.rows
            if row.number.known > month
        )
        late += unknown.total()
        told = await books.matched(month, invoice)
        expected = invoice.errors + unknown
        assert told == expected, month
        planted += invoice.errors.total()
        found += (told - unknown).total()
        right += (told & invoice.errors).total()
        lines += len(invoice.rows)
        for ended in (*OLDER, month) if month == MONTHS[0] else (month,):
            closed = await finance.send("POST", f"/v1/billing/periods/{ended:%Y-%m}/close")
            assert closed.status_code == 200, closed.text

    assert late > 0
    truth = sum(row.micros for month in (*OLDER, *MONTHS) for row in charged(bought, month) if row.number.known < THIS)
    assert await ledger.fetchval("SELECT sum(micros)::bigint FROM charges") == truth
    assert all(one.faults == [] for one in await verify(gateway.worker.database))
    record_property(
        "told",
        f"a year of {len(bought)} numbers, {lines} lines of invoices with {planted} errors in {len(WAYS)} ways:"
        f" recall {right / planted:.4f}, precision {right / found:.4f}; {late} lines of numbers found out later",
    )
