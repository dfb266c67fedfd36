"""What administrators send and get of imports."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictStr, TypeAdapter, WithJsonSchema

from service.http.pages import Moment, Page
from service.kit.clock import utc_now
from service.kit.money import CURRENCIES, known_currency
from service.kit.phone import path_number
from service.kit.text import plain
from service.numbers.members import MOST_TAGS
from service.numbers.schemas import Label, Nickname
from service.orders.schemas import Outcome, SkippedOut, State
from service.tenants.schemas import ExternalId, Strict

MILLION = 1_000_000
# Teli is younger: what lies before is a slip of the pen.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
# As people write them, and as Teli does.
PUNCTUATION = {ord(sign): None for sign in " ().-\u00a0\u2011\u2013"}


def _as_moment(value: object) -> object:
    return f"{value}T00:00:00Z" if isinstance(value, str) and DATE.fullmatch(value) else value


def _past(moment: datetime) -> datetime:
    if moment > utc_now():
        raise ValueError("lies in the future; say since when the number is held")
    if moment < EARLIEST:
        raise ValueError("lies before the year 2000; write it as 2026-01-31")
    return moment


def _number(text: str) -> str:
    return str(path_number(text.translate(PUNCTUATION)))


PhoneNumber = Annotated[StrictStr, Field(max_length=40), AfterValidator(plain), AfterValidator(_number)]
DATE_OR_TIME = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
Since = Annotated[Moment, BeforeValidator(_as_moment), AfterValidator(_past), WithJsonSchema(DATE_OR_TIME)]
Amount = Annotated[Decimal, Field(ge=0, le=MILLION, decimal_places=6)]
Currency = Annotated[StrictStr, AfterValidator(known_currency), Field(json_schema_extra={"enum": sorted(CURRENCIES)})]


class Given(Strict):
    """What is said of numbers beside which they are; of one, or of all of which nothing else is said."""

    organization_id: ExternalId | None = Field(None, description="Those of this organisation, and no others.")
    tenant_id: ExternalId | None = Field(None, description="Whose they are to be.")
    user_id: ExternalId | None = None
    cost_center: Label | None = None
    tags: Annotated[list[Label], Field(max_length=MOST_TAGS)] | None = None
    acquired_at: Since | None = Field(
        None, description="Since when they are held: a date, or a time by RFC 3339; else as Teli says.",
        examples=["2025-03-01"],
    )  # fmt: skip
    monthly_price: Amount | None = Field(None, description="In units of `currency`, as 2.99", examples=["2.99"])
    setup_price: Amount | None = Field(None, examples=["1.00"])
    currency: Currency | None = Field(None, description="ISO 4217", examples=["USD"])

    def price(self) -> dict[str, Any] | None:
        """Micro-units. Raises: ValueError for half a price."""
        if self.monthly_price is None and self.setup_price is None and self.currency is None:
            return None
        if self.monthly_price is None or self.currency is None:
            raise ValueError("a price takes monthly_price and currency, and perhaps setup_price")
        return {
            "setup": int((self.setup_price or 0) * MILLION),
            "monthly": int(self.monthly_price * MILLION),
            "currency": self.currency,
        }


class GivenRow(Given):
    """A row of a spreadsheet."""

    phone_number: PhoneNumber
    nickname: Nickname | None = None


class ImportIn(Given):
    """Everything that an account held before its first purchase here, and that is nobody's yet."""

    source: Literal["upstream"]
    account_id: UUID | None = Field(None, description="Of this upstream account alone.")
    tenant_id: ExternalId = Field(description="Whose they are to be.")
    user_id: ExternalId | None = Field(None, description="Whose they are where Teli names no user.")


class PriceOut(BaseModel):
    """Micro-units of `currency`: 2990000 is 2.99."""

    setup: int
    monthly: int
    currency: str


class ListedOut(BaseModel):
    """The row at Teli that proves it, as it stood when it was shown."""

    row_id: str
    organization_id: str
    user_id: str | None
    nickname: str | None
    listed_as: Literal["existing", "orphan"]


class AdoptedOut(BaseModel):
    """A number as it would stand. `nickname`: null leaves Teli's; `acquired_by`: who says since when it is held."""

    tenant_id: str
    organization_id: str
    user_id: str
    nickname: str | None
    cost_center: str | None
    tags: list[str]
    acquired_at: datetime
    acquired_by: Literal["person", "teli", "listing"]
    price: PriceOut | None


class SampleOut(BaseModel):
    line: int
    phone_number: str
    listed: ListedOut
    becomes: AdoptedOut


class ImportCostsOut(BaseModel):
    """What numbers cost by their prices, or by the deployment's; micro-units."""

    currency: str
    numbers: int
    monthly: int
    to_date: int


class PassedOut(BaseModel):
    """A limit of numbers held that has no room for all: they are adopted all the same, for they exist and are paid."""

    scope: Literal["tenant", "organization", "user", "deployment"]
    tenant_id: str | None
    organization_id: str | None
    user_id: str | None
    limit: int
    held: int
    would_hold: int


class ImportPreview(BaseModel):
    """What would be done with `count` of the `selected` numbers. `beyond`: more are there than one import takes."""

    count: int
    selected: int
    beyond: bool
    sample: list[SampleOut]
    costs: list[ImportCostsOut]
    limits_passed: list[PassedOut]
    skipped: SkippedOut


class ImportOut(BaseModel):
    """`count`: numbers that were shown to be adopted; `counts`: of all rows, how many came to which outcome, and
    `reasons` why, where they did not come to `done`. `same_as`: an import of the very same content before this one.
    """

    import_id: UUID = Field(validation_alias="order_id")
    state: State
    source: Literal["upstream", "csv"]
    asked: dict[str, Any] = Field(description="what was said of all")
    sha256: str | None = Field(description="of the file")
    same_as: UUID | None
    count: int
    counts: dict[Outcome, int]
    reasons: dict[str, int]
    preview: ImportPreview
    actor: str
    created_at: datetime
    expires_at: datetime | None = Field(description="until when it can be applied")
    applied_at: datetime | None
    cancelled_at: datetime | None
    ended_at: datetime | None


class ImportPage(Page[ImportOut]):
    """Imports, newest first."""


class ImportItemOut(BaseModel):
    """`number_id`: once it is done. `line`: of the file, or its place among those that are listed."""

    line: int
    phone_number: str | None
    number_id: UUID | None
    outcome: Outcome
    reason: str | None
    detail: str | None
    listed: ListedOut | None
    becomes: AdoptedOut | None
    ended_at: datetime | None


class ImportItemPage(Page[ImportItemOut]):
    """Rows, in the order of the file, or of their numbers."""
