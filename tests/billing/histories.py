"""Histories that chance makes, what the ledger charges for a month of them, and invoices, clean or with errors."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import product
from uuid import UUID

from service.billing.accrual import Held, Life, Owner, PriceVersion, accrue
from service.billing.charging import ChargingRule
from service.billing.matching import Acquisition, Charge, Finding, InvoiceLine, Terms, match
from service.kit.money import months_later

MONTH = date(2026, 3, 1)
NEXT = months_later(MONTH, 1)
RULES = [
    ChargingRule(cycle, proration, due, "UTC", free, least)
    for cycle, proration, due in product(("anniversary", "calendar"), ("none", "daily"), ("advance", "arrears"))
    for free, least in ((0, 0), (3, 0), (0, 2))
]  # fmt: skip
PRICES = [
    PriceVersion(UUID(int=900), date(2020, 1, 1), 1_000_000, 2_990_000, "USD"),
    PriceVersion(UUID(int=901), date(2026, 3, 17), 1_500_000, 3_490_001, "USD"),
]


@dataclass
class History:
    rule: ChargingRule
    numbers: list[Acquisition]
    charges: list[Charge]

    @property
    def terms(self) -> Terms:
        return Terms(MONTH, self.rule.due == "arrears", self.rule.proration == "daily")


@dataclass
class Planted:
    """An invoice, and what each error in it is to be called: of a line by its place, of a missing one by its number."""

    lines: list[InvoiceLine]
    errors: dict[int | UUID, str]


def some_history(chance: random.Random, numbers: int = 40) -> History:
    """Numbers that come and go, some of them recycled, with owners that change."""
    rule = chance.choice(RULES)
    held: list[Acquisition] = []
    charges: list[Charge] = []
    while len(held) < numbers:
        phone = f"+1313555{len(held):04}"
        acquired = date(2026, 1, 5) + timedelta(days=chance.randrange(80))
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            released = acquired + timedelta(days=chance.randrange(60)) if chance.random() < 0.6 else None
            place = len(held)
            number_id = UUID(int=chance.randrange(1 << 20) << 20 | place)
            subscription = f"sub_{place}" if chance.random() < 0.7 else None
            held.append(Acquisition(number_id, phone, subscription, acquired, released))
            owners = [Held(acquired, Owner("a", "o", "u"))]
            for _ in range(chance.choice((0, 0, 1, 2))):
                since = owners[-1].since + timedelta(days=1 + chance.randrange(30))
                owners.append(Held(since, Owner("a", "o", "u", cost_center=f"{since}")))
            life = Life(number_id, acquired, owners, released)
            charges += [
                Charge(line.number_id, line.kind, line.begins, line.ends, line.due, line.micros)
                for line in accrue(life, rule, PRICES, until=NEXT - timedelta(days=1))
                if line.due >= MONTH
            ]
            if released is None:
                break
            # After what is charged for at least, for else two would be charged for the same days.
            acquired = months_later(released, rule.minimum_months) + timedelta(days=1 + chance.randrange(20))
    return History(rule, held, charges)


def clean(history: History, chance: random.Random) -> list[InvoiceLine]:
    """As a supplier without a fault would have it: a line for each charge, by subscription, number, or both."""
    lives = {one.number_id: one for one in history.numbers}
    lines: list[InvoiceLine] = []
    for finding in match([], history.charges, history.numbers, history.terms):
        assert finding.number_id is not None and finding.begins is not None and finding.ends is not None
        life = lives[finding.number_id]
        is_setup = any(
            one.kind == "setup" and one.begins == finding.begins and finding.ends == one.ends
            and one.number_id == life.number_id and one.micros == finding.expected
            for one in history.charges
        )  # fmt: skip
        lines.append(
            InvoiceLine(
                len(lines) + 1,
                life.subscription_id,
                life.phone_number if life.subscription_id is None or chance.random() < 0.5 else None,
                "setup" if is_setup else "credit" if finding.expected < 0 else "rent",
                finding.begins,
                finding.ends,
                chance.choice((None, 1)),
                finding.expected,
            )
        )
    chance.shuffle(lines)
    return [replace(line, place=place) for place, line in enumerate(lines, 1)]


def with_errors(history: History, chance: random.Random, most: int = 12) -> Planted:
    """Six ways to err, none twice about one number."""
    lines = {line.place: line for line in clean(history, chance)}
    of = {line.place: found for line, found in zip(lines.values(), _numbers(history, [*lines.values()]), strict=True)}
    errors: dict[int | UUID, str] = {}
    further: list[tuple[InvoiceLine, str]] = []
    used: set[UUID] = set()
    for place in chance.sample(sorted(lines), len(lines)):
        line, number = lines[place], of[place]
        if number.number_id in used or len(used) >= most or not line.micros:
            continue
        used.add(number.number_id)
        way = chance.choice(("extra", "missing", "price", "month", "after", "duplicate", "never", "quantity"))
        if way == "extra" and line.kind != "credit":
            assert line.begins is not None
            is_after = number.released is not None and line.begins > number.released
            verdict = "charged_after_release" if is_after else "quantity_differs"
            further.append((replace(line, kind="other", micros=chance.choice((1, 990_000))), verdict))
        elif way == "missing":
            del lines[place]
            errors[number.number_id] = "not_charged"
        elif way == "price":
            lines[place] = replace(line, micros=line.micros + chance.choice((-1, 1, 500_000)), quantity=None)
            errors[place] = "price_differs" if _days_are_held(history, line, number) else "quantity_differs"
        elif way == "month" and number.released is None and line.kind == "rent":
            begins = months_later(NEXT, 2)
            further.append((replace(line, begins=begins, ends=months_later(begins, 1)), "quantity_differs"))
        elif way == "after" and number.released is not None and line.kind == "rent" and line.subscription_id:
            begins = months_later(number.released, 4)
            further.append((replace(line, begins=begins, ends=months_later(begins, 1)), "charged_after_release"))
        elif way == "duplicate":
            further.append((line, "duplicate"))
        elif way == "never":
            strange = replace(line, subscription_id="sub_strange", phone_number=f"+1415555{place:04}")
            further.append((strange, "never_ours"))
        elif way == "quantity" and line.kind != "credit":
            lines[place] = replace(line, micros=2 * line.micros, quantity=2)
            errors[place] = "quantity_differs"
    for place, (line, verdict) in enumerate(further, max(lines, default=0) + 1):
        lines[place] = replace(line, place=place)
        errors[place] = verdict
    return Planted([*lines.values()], errors)


def wrong(findings: list[Finding]) -> dict[int | UUID, str]:
    """What is not as it was expected, as `Planted` has it."""
    told: dict[int | UUID, str] = {}
    for one in findings:
        if one.verdict != "matched":
            key = one.place if one.place is not None else one.number_id
            assert key is not None
            told[key] = one.verdict
    return told


def _numbers(history: History, lines: list[InvoiceLine]) -> Iterator[Acquisition]:
    lives = {one.number_id: one for one in history.numbers}
    of = {one.place: one.number_id for one in match(lines, history.charges, history.numbers, history.terms)}
    for line in lines:
        number_id = of[line.place]
        assert number_id is not None
        yield lives[number_id]


def _days_are_held(history: History, line: InvoiceLine, number: Acquisition) -> bool:
    """A charge by the day for days on which the number was not held any more is wrong about the days too."""
    if history.rule.proration != "daily" or number.released is None or line.kind == "setup":
        return True
    assert line.begins is not None and line.ends is not None
    held = (number.released - line.begins).days + 1
    return held <= 0 or abs(min((line.ends - line.begins).days, held) - (line.ends - line.begins).days) <= 1
