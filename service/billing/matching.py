"""An invoice against the ledger, line by line: pure, the readable twin of what the database does with a million lines.

A line is first found its number, then the charge that it is for; what is left over of either is a finding of its own.
Every charge is expected once: what an invoice charges is what was expected and all differences together.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal
from uuid import UUID

from service.billing.accrual import LineKind
from service.billing.charging import ONE_DAY
from service.kit.money import months_later

Verdict = Literal[
    "matched", "within_tolerance", "price_differs", "quantity_differs", "charged_after_release", "never_ours",
    "not_charged", "duplicate",
]  # fmt: skip
InvoiceKind = Literal["setup", "rent", "credit", "other"]
# Suppliers write the last day of a month as it pleases them: as the last, or as the first that is none of it.
DAYS_OFF = 1


@dataclass(frozen=True, slots=True)
class Acquisition:
    """A number as it was held, in days of the rule's zone. `released`: its last day, None while it is held."""

    number_id: UUID
    phone_number: str
    subscription_id: str | None
    acquired: date
    released: date | None


@dataclass(frozen=True, slots=True)
class Charge:
    """A line of the ledger, in micro-units."""

    number_id: UUID
    kind: LineKind
    begins: date
    ends: date
    due: date
    micros: int


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """`ends`: the day after its last. `settles`: what of it is given back for disputes, negative or 0."""

    place: int
    subscription_id: str | None
    phone_number: str | None
    kind: InvoiceKind
    begins: date | None
    ends: date | None
    quantity: int | None
    micros: int
    settles: int = 0


@dataclass(frozen=True, slots=True)
class Earlier:
    """A line of an invoice of `month` that was imported before, in this `order`. `stands`: what of it was due, or was
    never judged, and was not given back.
    """

    invoice_id: UUID
    order: int
    month: date
    line: InvoiceLine
    stands: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a line, or of a charge without one (`place` None). `begins`, `ends`: of the charge that it is for.
    `other`: of a duplicate, the line that was there before; of `other_invoice`, None is the same.
    """

    place: int | None
    verdict: Verdict
    number_id: UUID | None
    expected: int
    charged: int
    begins: date | None = None
    ends: date | None = None
    other: int | None = None
    other_invoice: UUID | None = None

    @property
    def difference(self) -> int:
        return self.charged - self.expected


@dataclass(frozen=True, slots=True)
class Terms:
    """`month`: the invoice's. `in_arrears`, `by_day`: of the rule. `tolerance`: micro-units that are let pass."""

    month: date
    in_arrears: bool
    by_day: bool
    tolerance: int = 0


@dataclass(frozen=True, slots=True)
class Unit:
    """What the supplier is expected to charge in one: a setup, or a month of rent however often its owner changed.
    `held_until`: the day after the last that is paid for.
    """

    number_id: UUID
    kind: Literal["setup", "rent"]
    begins: date
    ends: date
    held_until: date
    micros: int


@dataclass(frozen=True, slots=True)
class Found:
    """A line, the number that it is for, and its days; those of the month, where it has none."""

    line: InvoiceLine
    number: Acquisition | None
    begins: date
    ends: date

    @property
    def kind(self) -> str:
        return _kind(self.line)

    @property
    def number_id(self) -> UUID | None:
        return self.number.number_id if self.number else None

    @property
    def is_dated(self) -> bool:
        return self.line.begins is not None

    @property
    def told_twice(self) -> tuple[object, ...]:
        """What a duplicate has in common with the line before it; of what is not known, the amount too."""
        amount = self.line.micros if self.kind == "other" else (self.line.micros > 0) - (self.line.micros < 0)
        return self.number_id, self.kind, self.line.begins, self.line.ends, amount

    def overlap(self, unit: Unit) -> int:
        return (min(self.ends, unit.ends) - max(self.begins, unit.begins)).days


def match(
    lines: Sequence[InvoiceLine],
    charges: Sequence[Charge],
    numbers: Sequence[Acquisition],
    terms: Terms,
    earlier: Sequence[Earlier] = (),
) -> list[Finding]:
    """One finding for each line, by place, then one for each charge that neither this invoice nor an earlier one has a
    line for, by number, kind and days.
    """
    found = [_found(line, numbers, terms) for line in sorted(lines, key=lambda one: one.place)]
    units = _units(charges, {one.number_id: one for one in numbers}, terms)
    of_number: dict[UUID, list[Unit]] = defaultdict(list)
    for unit in units:
        of_number[unit.number_id].append(unit)
    of_days: dict[tuple[object, ...], list[Earlier]] = defaultdict(list)
    for before in earlier:
        of_days[_said(before.line, before.month)].append(before)
    charged: set[Unit] = set()
    again: dict[int, Earlier] = {}
    of_unit: dict[Unit, list[Found]] = defaultdict(list)
    for one in found:
        unit_of = _unit_of(one, of_number)
        charged |= {unit_of} if unit_of is not None else set()
        same_days = of_days[_said(one.line, terms.month)]
        same = [before for before in same_days if _same_number(one.line, before.line)]
        if (said_before := _charged_before(one, same, unit_of, terms)) is not None:
            again[one.line.place] = said_before
        elif unit_of is not None:
            of_unit[unit_of].append(one)

    expected: dict[int, tuple[Unit, int]] = {}
    for unit, its in of_unit.items():
        expected |= {place: (unit, micros) for place, micros in _expected(unit, its, terms).items()}
    first: dict[tuple[object, ...], int] = {}
    for one in sorted(found, key=lambda one: (one.line.place not in expected, one.line.place)):
        if not one.line.settles:
            first.setdefault(one.told_twice, one.line.place)

    findings = []
    for one in found:
        if one.line.settles:
            findings.append(_settling(one))
        elif one.line.place in expected:
            findings.append(_compared(one, *expected[one.line.place], terms))
        else:
            findings.append(_unexpected(one, first[one.told_twice], again.get(one.line.place)))
    return findings + [
        Finding(None, "not_charged", unit.number_id, unit.micros, 0, unit.begins, unit.ends)
        for unit in units
        if unit not in charged and unit.micros
    ]


def _kind(line: InvoiceLine) -> str:
    return "rent" if line.kind == "credit" else line.kind


def _days(line: InvoiceLine, month: date) -> tuple[date, date]:
    """Those of the invoice's month, where it has none."""
    begins = line.begins or month
    return begins, line.ends or (begins + ONE_DAY if line.begins else months_later(month, 1))


def _said(line: InvoiceLine, month: date) -> tuple[object, ...]:
    """What a line has in common with an earlier one that charged the same; of what is not known, the amount too."""
    return _kind(line), *_days(line, month), line.micros if line.kind == "other" else None


def _same_number(one: InvoiceLine, before: InvoiceLine) -> bool:
    """By the subscription, where both have one."""
    if one.subscription_id is not None and before.subscription_id is not None:
        return one.subscription_id == before.subscription_id
    return one.phone_number is not None and one.phone_number == before.phone_number


def _charged_before(one: Found, earlier: Sequence[Earlier], unit: Unit | None, terms: Terms) -> Earlier | None:
    """The first line that charged the same, where what stands of all such and this one are together more than is due:
    else the supplier charges in parts, or anew.
    """
    stands = sum(before.stands for before in earlier)
    if one.line.micros <= 0 or one.line.settles or stands <= 0:
        return None
    if unit is not None and stands + one.line.micros <= unit.micros + terms.tolerance:
        return None
    return min(
        (before for before in earlier if before.line.micros > 0), key=lambda before: (before.order, before.line.place)
    )


def _found(line: InvoiceLine, numbers: Sequence[Acquisition], terms: Terms) -> Found:
    """By the subscription; else by the number, as it was held on these days: carriers recycle numbers. What is given
    back is of whoever held it on the day before.
    """
    begins, ends = _days(line, terms.month)
    is_back = line.kind == "credit" and line.begins is not None
    first, until = (begins - ONE_DAY, begins) if is_back else (begins, ends)

    def rank(one: Acquisition) -> tuple[bool, bool, bool, bool, int, UUID]:
        return (
            one.subscription_id is None or one.subscription_id != line.subscription_id,
            one.phone_number != line.phone_number,
            not (one.acquired < until and (one.released is None or one.released >= first)),
            one.acquired > first,
            abs((one.acquired - first).days),
            one.number_id,
        )

    candidates = [
        one
        for one in numbers
        if one.phone_number == line.phone_number
        or (one.subscription_id is not None and one.subscription_id == line.subscription_id)
    ]
    return Found(line, min(candidates, key=rank, default=None), begins, ends)


def _units(charges: Sequence[Charge], lives: Mapping[UUID, Acquisition], terms: Terms) -> list[Unit]:
    """Parts of a month have its last day in common, or the day on which they are due, as the rule has it."""

    def key(one: Charge) -> tuple[UUID, str, date]:
        if one.kind == "setup":
            return one.number_id, "setup", one.begins
        return one.number_id, "rent", one.due if terms.in_arrears else one.ends

    units = []
    for (number_id, kind, _), parts in groupby(sorted(charges, key=key), key=key):
        its = [*parts]
        begins, ends = min(one.begins for one in its), max(one.ends for one in its)
        released = lives[number_id].released
        held_until = min(ends, released + ONE_DAY) if terms.by_day and released is not None else ends
        held_until = held_until if held_until > begins else ends
        micros = sum(one.micros for one in its)
        units.append(Unit(number_id, "setup" if kind == "setup" else "rent", begins, ends, held_until, micros))
    return sorted(units, key=lambda unit: (unit.number_id, unit.kind, unit.begins, unit.ends))


def _unit_of(one: Found, of_number: Mapping[UUID, Sequence[Unit]]) -> Unit | None:
    """The charge that a line is for: the one with which it has most days in common."""
    if one.number is None or one.line.settles or (one.line.kind == "credit" and not one.is_dated):
        return None
    released = one.number.released
    units = [
        unit
        for unit in of_number.get(one.number.number_id, ())
        if unit.kind == one.kind
        and (unit.kind == "setup" or one.overlap(unit) > 0 or not one.is_dated)
        # What begins when the number had been given back is for no days on which it was held.
        and (released is None or one.begins <= released or unit.begins > released)
    ]
    apart = {unit: abs((unit.begins - one.begins).days) for unit in units}
    if not one.is_dated:
        return min(units, key=lambda unit: unit.begins, default=None)
    return min(units, key=lambda unit: (-one.overlap(unit), apart[unit], unit.begins), default=None)


def _expected(unit: Unit, its: Sequence[Found], terms: Terms) -> dict[int, int]:
    """What is expected of each of the lines for one charge; of those that are not in it, nothing was.

    Where they add up to it they are its parts. Else the likeliest is for it, and the others are more than was due; of
    what was taken back and charged anew it bears the difference alone.
    """
    charged = {one.line.place: one.line.micros for one in its}
    whole = sum(charged.values())
    apart = len({(one.line.begins, one.line.ends) for one in its}) == len(its)
    anew = min(charged.values()) < 0 < max(charged.values())
    if whole == unit.micros:
        return charged
    lead = min(
        its,
        key=lambda one: (
            one.line.micros != unit.micros,
            (one.begins, one.ends) != (unit.begins, unit.ends),
            -one.overlap(unit),
            -abs(one.line.micros),
            one.line.place,
        ),
    ).line
    if anew or (apart and abs(whole - unit.micros) <= terms.tolerance):
        return charged | {lead.place: unit.micros - (whole - lead.micros)}
    return {lead.place: unit.micros}


def _compared(one: Found, unit: Unit, expected: int, terms: Terms) -> Finding:
    off = one.line.micros - expected
    days = (unit.held_until - unit.begins).days
    other_days = unit.kind == "rent" and one.is_dated and abs((one.ends - one.begins).days - days) > DAYS_OFF
    verdict: Verdict = "price_differs"
    if not off:
        verdict = "matched"
    elif abs(off) <= terms.tolerance:
        verdict = "within_tolerance"
    elif other_days or one.line.quantity not in (None, 1):
        verdict = "quantity_differs"
    return Finding(one.line.place, verdict, unit.number_id, expected, one.line.micros, unit.begins, unit.ends)


def _settling(one: Found) -> Finding:
    """A credit for what was disputed: more than that is more than was owed."""
    verdict: Verdict = "matched" if one.line.micros == one.line.settles else "quantity_differs"
    return Finding(one.line.place, verdict, one.number_id, one.line.settles, one.line.micros)


def _unexpected(one: Found, first: int, before: Earlier | None) -> Finding:
    """What the ledger has no charge for. `first`: the first line that says the same, perhaps this one; `before`: that
    of an earlier invoice.
    """
    number, other = one.number, None
    verdict: Verdict = "quantity_differs"
    if number is None:
        verdict = "never_ours"
    elif not one.line.micros:
        verdict = "matched"
    elif before is not None:
        return Finding(
            one.line.place, "duplicate", one.number_id, 0, one.line.micros, other=before.line.place,
            other_invoice=before.invoice_id,
        )  # fmt: skip
    elif first != one.line.place:
        verdict, other = "duplicate", first
    elif number.released is not None and one.begins > number.released:
        verdict = "charged_after_release"
    elif one.ends <= number.acquired:
        verdict = "never_ours"
    return Finding(one.line.place, verdict, one.number_id, 0, one.line.micros, other=other)
