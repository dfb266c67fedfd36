"""The price book: which price is in force for a number on a day. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from service.billing.accrual import PriceVersion
from service.billing.facts import Fact


@dataclass(frozen=True, slots=True)
class Priced:
    """A price and what it is for; None is for all. `seq`: its place in the order of filing."""

    price: PriceVersion
    organization_id: str | None = None
    number_type: str | None = None
    area_code: str | None = None
    seq: int = 0

    @property
    def weight(self) -> int:
        """What is for an organisation wins over what is for an area, and that over what is for a type."""
        return (
            4 * (self.organization_id is not None) + 2 * (self.area_code is not None) + (self.number_type is not None)
        )

    def is_for(self, fact: Fact) -> bool:
        return (
            self.organization_id in (None, fact.owner.organization_id)
            and self.number_type in (None, fact.number_type)
            and self.area_code in (None, fact.area_code)
        )


def in_force(book: Iterable[Priced], fact: Fact) -> list[PriceVersion]:
    """The prices of a number, in order, each in force until the next: its own where it has one; else, of those that are
    for it, the narrowest that has begun.
    """
    if fact.own_price is not None:
        setup, monthly, currency = fact.own_price
        return [PriceVersion(fact.number_id, date.min, setup, monthly, currency)]
    found: list[Priced] = []
    for one in sorted((one for one in book if one.is_for(fact)), key=lambda one: (one.price.since, one.weight)):
        if not found or one.weight >= found[-1].weight:
            if found and found[-1].price.since == one.price.since:
                found.pop()
            found.append(one)
    return [one.price for one in found]
