"""What is charged for a number, line by line, from what is known of it. No I/O: the same facts, the same lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal
from uuid import UUID

from service.billing.charging import ONE_DAY, ChargingRule, Month, months, share

LineKind = Literal["setup", "month", "part", "credit"]


class NoPrice(LookupError):
    """A number was held on a day for which no price is filed."""

    def __init__(self, day: date) -> None:
        super().__init__(f"no price is in force on {day}")
        self.day = day


@dataclass(frozen=True, slots=True)
class Owner:
    """To whom a line is charged on: who holds the number, where, and for what."""

    tenant_id: str
    organization_id: str
    user_id: str
    holder_user_id: str | None = None
    cost_center: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """From this day on the number is this owner's."""

    since: date
    owner: Owner


@dataclass(frozen=True, slots=True)
class Life:
    """One acquisition, as it is known. `owners`: in order, the first from the day of acquisition; of several of one day
    the last. `released`: its last day, None while it is held.
    """

    number_id: UUID
    acquired: date
    owners: Sequence[Held]
    released: date | None = None


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """`setup` once and `monthly`, micro-units of `currency`, for what begins on the day `since` or later."""

    id: UUID
    since: date
    setup: int
    monthly: int
    currency: str


@dataclass(frozen=True, slots=True)
class Line:
    """One charge: of days from `begins` to the one before `ends`, charged on `due`, in micro-units (a credit's are
    negative), to its owner, at the price of a version.
    """

    number_id: UUID
    kind: LineKind
    begins: date
    ends: date
    due: date
    micros: int
    currency: str
    price_id: UUID
    owner: Owner


@dataclass(frozen=True, slots=True)
class Stretch:
    """Days of a month over which neither price nor owner changes."""

    begins: date
    ends: date
    price: PriceVersion
    owner: Owner


def accrue(life: Life, rule: ChargingRule, prices: Sequence[PriceVersion], *, until: date) -> list[Line]:
    """Every line of a number that is due on the day `until` or earlier, by due day.

    Args: prices, in order, each in force until the next one.
    Raises: NoPrice where a day has none.
    """
    last = min(until, life.released or until)
    if life.acquired > last:
        return []
    lines = []
    if (price := _price_on(prices, life.acquired)).setup:
        day = Stretch(life.acquired, life.acquired + ONE_DAY, price, _owner_on(life, life.acquired))
        lines.append(_line(life, "setup", day, life.acquired, price.setup))
    for month in months(rule, life.acquired, until=last):
        lines += _of_month(life, rule, month, prices)
    return sorted((line for line in lines if line.due <= until), key=lambda line: (line.due, line.begins))


def _of_month(life: Life, rule: ChargingRule, month: Month, prices: Sequence[PriceVersion]) -> Iterator[Line]:
    released = life.released
    if rule.proration == "none" or month.is_minimum:
        owner = _owner_on(life, month.begins if released is None else min(month.begins, released))
        whole = Stretch(month.begins, month.ends, _price_on(prices, month.begins), owner)
        yield _line(life, "month", whole, month.begins if rule.due == "advance" else month.ends, whole.price.monthly)
        return
    end_held = month.ends if released is None else min(month.ends, released + ONE_DAY)
    for one in _stretches(life, month, end_held, prices):
        if rule.due == "arrears":
            yield _line(life, "part", one, end_held, _cost(month, one))
            continue
        # In advance all that is left of the month is charged, and with each change what is then left is given back.
        yield _rest(life, month, one, one.begins, "part")
        if one.ends < month.ends:
            yield _rest(life, month, one, one.ends, "credit")


def _stretches(life: Life, month: Month, ends: date, prices: Sequence[PriceVersion]) -> Iterator[Stretch]:
    changes = {*(price.since for price in prices), *(held.since for held in life.owners)}
    days = [month.begins, *sorted(day for day in changes if month.begins < day < ends), ends]
    found = [(begins, _owner_on(life, begins), _price_on(prices, begins)) for begins in days[:-1]]
    for (owner, price), same in groupby(found, key=lambda one: one[1:]):
        begins = [one[0] for one in same]
        yield Stretch(begins[0], days[days.index(begins[-1]) + 1], price, owner)


def _rest(life: Life, month: Month, of: Stretch, since: date, kind: Literal["part", "credit"]) -> Line:
    """What is left of the month, at the price of a stretch and to its owner, from a day on."""
    rest = Stretch(since, month.ends, of.price, of.owner)
    cost = _cost(month, rest)
    return _line(life, kind, rest, since, cost if kind == "part" else -cost)


def _cost(month: Month, of: Stretch) -> int:
    days = ((of.begins - month.begins).days, (of.ends - month.begins).days)
    return share(of.price.monthly, days=days, of=month.whole)


def _line(life: Life, kind: LineKind, of: Stretch, due: date, micros: int) -> Line:
    return Line(life.number_id, kind, of.begins, of.ends, due, micros, of.price.currency, of.price.id, of.owner)


def _owner_on(life: Life, day: date) -> Owner:
    """Who holds it as that day begins; on its first day, who bought it."""
    before = [held.owner for held in life.owners if held.since <= day]
    return before[-1] if before else life.owners[0].owner


def _price_on(prices: Sequence[PriceVersion], day: date) -> PriceVersion:
    """Raises: NoPrice."""
    before = [price for price in prices if price.since <= day]
    if not before:
        raise NoPrice(day)
    return before[-1]
