"""The facts that charges rest on, read into lives: what is known of each number up to a place in the record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from service.billing.accrual import Held, Life, Owner
from service.billing.charging import ChargingRule


@dataclass(frozen=True, slots=True)
class Fact:
    """That from `valid_at` on a number was this owner's; that it was acquired, and perhaps ended, as is known by then.
    What a price may go by is beside it; `own_price` is that of an import, setup and monthly, micro-units of `currency`.
    """

    seq: int
    number_id: UUID
    valid_at: datetime
    owner: Owner
    acquired_at: datetime
    ended_at: datetime | None
    number_type: str | None
    area_code: str
    own_price: tuple[int, int, str] | None = None


def lives(facts: Iterable[Fact], rule: ChargingRule) -> Iterator[tuple[Life, Fact]]:
    """Each number's life, in the days of a rule, and the last that is known of it. `facts` by number, then in order."""
    for number_id, of_number in groupby(facts, key=lambda fact: fact.number_id):
        known = [*of_number]
        last = known[-1]
        acquired = rule.day_of(last.acquired_at)
        days: dict[date, Owner] = {}
        for fact in known:
            days[max(rule.day_of(fact.valid_at), acquired)] = fact.owner
        owners: list[Held] = []
        for day in sorted(days):
            if not owners or owners[-1].owner != days[day]:
                owners.append(Held(day, days[day]))
        ended = rule.day_of(last.ended_at) if last.ended_at else None
        yield Life(number_id, acquired, owners, ended), last
