"""What numbers cost that are to be adopted: as they will be charged, by the price book or by prices of their own."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from service.billing.accrual import Held, Life, Owner, PriceVersion, accrue
from service.billing.charging import ChargingRule
from service.billing.facts import Fact
from service.billing.prices import Priced, in_force
from service.kit.phone import E164, area_code_of

# Nothing is numbered before it is adopted.
NOBODY = UUID(int=0)


def costs_of(
    adopted: Iterable[tuple[str, Mapping[str, Any]]], book: Sequence[Priced], rule: ChargingRule, now: datetime
) -> list[dict[str, Any]]:
    """By currency of today's price, for what is of two cannot be added up. `adopted`: what each number becomes."""
    today = rule.day_of(now)
    found: dict[str, dict[str, Any]] = {}
    for phone_number, wanted in adopted:
        fact = _fact(phone_number, wanted)
        prices = in_force(book, fact)
        present = _on(prices, today)
        life = Life(NOBODY, rule.day_of(fact.acquired_at), [Held(rule.day_of(fact.acquired_at), fact.owner)])
        of = found.setdefault(
            present.currency, {"currency": present.currency, "numbers": 0, "monthly": 0, "to_date": 0}
        )
        of["numbers"] += 1
        of["monthly"] += present.monthly
        charged = accrue(life, rule, prices, until=today)
        of["to_date"] += sum(line.micros for line in charged if line.currency == present.currency)
    return [found[currency] for currency in sorted(found)]


def _on(prices: Sequence[PriceVersion], today: date) -> PriceVersion:
    return [price for price in prices if price.since <= today][-1]


def _fact(phone_number: str, wanted: Mapping[str, Any]) -> Fact:
    own, since = wanted["price"], datetime.fromisoformat(wanted["acquired_at"])
    owner = Owner(wanted["tenant_id"], wanted["organization_id"], wanted["user_id"])
    return Fact(
        0, NOBODY, since, owner, since, None, None, area_code_of(E164(phone_number)),
        own and (own["setup"], own["monthly"], own["currency"]),
    )  # fmt: skip
