"""What finance sends and gets. Amounts are integer micro-units of their currency; days are those of the rule's zone."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictInt, StrictStr

from service.billing.book import WantedPrice
from service.billing.charging import ChargingRule, Cycle, Due, Proration
from service.billing.periods import State
from service.http.pages import Page
from service.kit.money import CURRENCIES, known_currency
from service.kit.zones import known_zone
from service.numbers.schemas import AreaCode
from service.tenants.schemas import ExternalId, PlainText, Strict

Agreement = Literal["pending", "agrees", "differs", "unknown"]
MOST_MICROS = 1_000_000_000_000


def _day(value: object) -> object:
    if not (isinstance(value, str) and len(value) == len("2026-01-31")):
        raise ValueError("must be a day, as 2026-01-31")
    return value


Day = Annotated[date, BeforeValidator(_day)]
Micros = Annotated[StrictInt, Field(ge=0, le=MOST_MICROS)]
Currency = Annotated[
    StrictStr,
    AfterValidator(known_currency),
    Field(description="ISO 4217", json_schema_extra={"enum": sorted(CURRENCIES)}),
]


class PriceVersionIn(Strict):
    """A price from the day `since` on, until the next one for just the same. What is for an organisation wins over what
    is for an area code, that over what is for a type, and that over what is for all.
    """

    organization_id: ExternalId | None = None
    number_type: Annotated[PlainText, Field(min_length=1, max_length=64)] | None = None
    area_code: AreaCode | None = None
    since: Day
    setup: Micros = Field(description="Once, in micro-units: 1.00 is 1000000")
    monthly: Micros
    currency: Currency = "USD"
    reason: Annotated[PlainText, Field(min_length=1, max_length=500)] | None = None

    def wanted(self) -> WantedPrice:
        return WantedPrice(**self.model_dump())


class PriceVersionOut(BaseModel):
    """A version of the price book; null of organisation, type and area is any."""

    id: UUID
    organization_id: str | None
    number_type: str | None
    area_code: str | None
    since: date
    setup: int
    monthly: int
    currency: str
    reason: str | None
    created_at: datetime
    created_by: str


class PriceFiled(PriceVersionOut):
    """`warnings`: what may be meant otherwise, as a type that no number has."""

    warnings: list[str]


class PriceVersionPage(Page[PriceVersionOut]):
    """Prices, the one that begins last first."""


class ChargingRuleBody(Strict):
    """How the supplier charges a month. `cycle`: months from the day of purchase, or the calendar's. `proration`: a
    month that has begun in full, or by the day. `due`: on its first day, or after its last. `free_days`: the first
    ones, that cost no rent. `minimum_months`: charged in full however soon a number is given back.
    """

    cycle: Cycle = "anniversary"
    proration: Proration = "none"
    due: Due = "advance"
    time_zone: Annotated[StrictStr, Field(max_length=64), AfterValidator(known_zone)] = "UTC"
    free_days: Annotated[StrictInt, Field(ge=0, le=366)] = 0
    minimum_months: Annotated[StrictInt, Field(ge=0, le=36)] = 0

    def rule(self) -> ChargingRule:
        return ChargingRule(**self.model_dump())


class PeriodOut(BaseModel):
    """A month. What is null is known once it is final. `hash`: SHA-256 over its charges, which
    `numbergate billing verify` reckons anew. `doubts`: purchases whose outcome was not known then.
    Of all tenants together; `charges` and `doubts` are told to whoever sees all of them.
    """

    period: str
    state: State
    hash: str | None
    charges: int | None
    closed_at: datetime | None
    closed_by: str | None
    charging_rule: ChargingRuleBody | None
    doubts: int | None


class PeriodList(BaseModel):
    """Months, the last first."""

    items: list[PeriodOut]


class CountedOut(BaseModel):
    """Numbers held at some time of the month, and bought in it; and what they cost."""

    rentals: int
    purchases: int
    rental_micros: int
    purchase_micros: int


class DifferenceOut(BaseModel):
    user_id: str
    ours: CountedOut
    theirs: CountedOut


class AnalyticsOut(BaseModel):
    """What Teli's analytics count of an organisation in a final month, beside ours. `unknown`: it could not be asked.
    `users`: how many were compared. `differences`: those that differ, a thousand at most.
    """

    account_id: UUID
    organization_id: str
    state: Agreement
    asked_at: datetime | None
    users: int | None
    differences: list[DifferenceOut]


class AnalyticsPage(Page[AnalyticsOut]):
    """Organisations, by account and id."""


class Sums(BaseModel):
    """`micros`: all of the month, to its end if nothing changes. `so_far`: of it, what is due by today. `corrections`:
    of it, what puts months before it right. `unpriced`: charges without a price yet.
    """

    currency: str | None
    micros: int
    so_far: int
    charges: int
    numbers: int
    corrections: int
    unpriced: int


class Group(Sums):
    key: dict[str, Any]


class StatementOut(BaseModel):
    """The sums of a month by currency, and of each group; the sums of the groups add up to the whole. A month that has
    not begun is a `forecast`: what it charges if nothing changes.
    """

    period: str
    state: State
    charging_rule: ChargingRuleBody
    totals: list[Sums]
    groups: list[Group]
