"""When a supplier charges for a number, by a rule that is data: whole days in, months out. No I/O, no money.

A day counts once it has begun: the day of purchase does, and the day of the release too, so that a number that is given
back on the day of its next charge is charged once more, and one that is bought and given back on the same day has one.
"""

import calendar
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from service.kit.money import months_later

Cycle = Literal["anniversary", "calendar"]
Proration = Literal["none", "daily"]
Due = Literal["advance", "arrears"]
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ChargingRule:
    """`cycle`: whether months are counted from the first day of rent, or are the calendar's. `proration`: whether a
    month that has begun is charged in full, or by the days of it. `due`: whether on its first day or after its last.
    `time_zone`: an IANA name, where days begin. `free_days`: the first days, that cost no rent. `minimum_months`: so
    many are charged in full however soon the number is given back.
    """

    cycle: Cycle = "anniversary"
    proration: Proration = "none"
    due: Due = "advance"
    time_zone: str = "UTC"
    free_days: int = 0
    minimum_months: int = 0

    def as_json(self) -> dict[str, str | int]:
        return asdict(self)

    def day_of(self, moment: datetime) -> date:
        """The day on which a moment falls there, summer time and all. `moment` has a time zone."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()


@dataclass(frozen=True, slots=True)
class Month:
    """A month of rent: `begins`, and `ends`, the day after its last. `whole`: the days of the month that its price is
    for, more than it has where rent begins amid a calendar month. `is_minimum`: charged in full whatever happens.
    """

    begins: date
    ends: date
    whole: int
    is_minimum: bool

    @property
    def days(self) -> int:
        return (self.ends - self.begins).days


def months(rule: ChargingRule, acquired: date, *, until: date) -> Iterator[Month]:
    """The months of rent of a number, from the first on: those that have begun on the day `until`, and those of the
    minimum term.
    """
    first = acquired + timedelta(days=rule.free_days)
    begins, place = first, 0
    while begins <= until or (place < rule.minimum_months and acquired <= until):
        place += 1
        if rule.cycle == "anniversary":
            ends = months_later(first, place)
            whole = (ends - begins).days
        else:
            ends = months_later(begins.replace(day=1), 1)
            whole = calendar.monthrange(begins.year, begins.month)[1]
        yield Month(begins, ends, whole, place <= rule.minimum_months)
        begins = ends


def share(amount: int, *, days: tuple[int, int], of: int) -> int:
    """What the days from one to another of a month that has `of` cost, of what the whole costs.

    By what has come together at either end, each rounded half to even: so parts that follow each other add up to the
    whole, however it is parted. `days` are counted from 0, the second is the one after the last.
    """
    start, end = days
    return _rounded(amount * end, of) - _rounded(amount * start, of)


def _rounded(value: int, by: int) -> int:
    whole, rest = divmod(value, by)
    return whole + (2 * rest > by or (2 * rest == by and whole % 2 == 1))
