"""What finance sends and gets of invoices. Amounts are signed integer micro-units; `ends` is the day after the last."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StrictStr

from service.billing.invoices.mapping import FIELDS, NEEDED, WORDS, Ends, InvoiceMapping, Kind, Negatives
from service.billing.invoices.spelling import DayOrder, Sign, Unit
from service.billing.periods import State
from service.billing.schemas import Currency
from service.http.pages import Page
from service.kit.csv_files import CHARSETS
from service.kit.text import plain
from service.kit.zones import known_zone
from service.tenants.schemas import Strict

MOST_PLACES = 1000
InvoiceState = Literal["reading", "held", "ready", "matched", "failed"]
Header = Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(plain)]
Value = Annotated[StrictStr, Field(max_length=2000)]


def _charset(name: str) -> str:
    if name.lower() not in CHARSETS:
        raise ValueError(f"must be one of {', '.join(CHARSETS)}")
    return name.lower()


def _members(columns: dict[str, str]) -> dict[str, str]:
    if strange := [name for name in columns if name not in FIELDS]:
        raise ValueError(f"names {strange[0][:40]!r}, which is not read; there are {', '.join(FIELDS)}")
    if NEEDED not in columns:
        raise ValueError(f"must name the column of {NEEDED}")
    return columns


class MappingBody(Strict):
    """Which column means what, and how the file writes amounts and days; it holds for all of its rows.

    `decimal`: the sign before the fraction; null is a point, and refuses what could be thousands as well, as 1.234.
    `unit`: whether amounts are in units, as 2.99, or in the smallest ones, as 299. `day_order`: of days in figures, as
    03/01/2026; without it they are refused. `ends`: whether the last day is charged still. `time_zone`: in which
    moments are days. `kinds`: what a word of the column `kind` means; `otherwise`: what any other does. `negatives`:
    what a negative charge is. `phone_in_description`: where a row has no number of its own, the one that its
    description names. `charset`, `separator`, `sheet`: null is told from the file. `skip`: lines above the header.
    """

    columns: Annotated[dict[Annotated[StrictStr, Field(max_length=40)], Header], AfterValidator(_members)]
    decimal: Sign | None = "."
    unit: Unit = "whole"
    currency: Currency | None = None
    day_order: DayOrder | None = None
    ends: Ends = "exclusive"
    time_zone: Annotated[StrictStr, Field(max_length=64), AfterValidator(known_zone)] = "UTC"
    kinds: Annotated[
        dict[Annotated[StrictStr, Field(max_length=100), AfterValidator(plain)], Kind], Field(max_length=200)
    ] = Field(default_factory=lambda: dict(WORDS))
    otherwise: Kind = "rent"
    negatives: Negatives = "refused"
    phone_in_description: StrictBool = False
    charset: Annotated[StrictStr, AfterValidator(_charset)] | None = None
    separator: Literal[",", ";", "\t", "|"] | None = None
    sheet: Annotated[StrictStr, Field(min_length=1, max_length=31), AfterValidator(plain)] | None = None
    skip: Annotated[StrictInt, Field(ge=0, le=100)] = 0

    def mapping(self) -> InvoiceMapping:
        told = self.model_dump()
        return InvoiceMapping(**told | {"kinds": {word.strip().lower(): kind for word, kind in self.kinds.items()}})


class ProfileOut(BaseModel):
    """A mapping by name. `shipped`: it comes with Numbergate, and cannot be changed."""

    name: str
    shipped: bool
    mapping: MappingBody
    created_at: datetime | None
    created_by: str | None


class ProfileList(BaseModel):
    """Those that are shipped, then those that were remembered, by name."""

    items: list[ProfileOut]


class InvoiceFaultOut(BaseModel):
    """`column`: the member of a line that it is about; empty is the row as a whole. `detail` names the mend."""

    column: str
    detail: str


class LineOut(BaseModel):
    """A line. `place`: its row below the header, from 1. `micros`: what gives back is negative."""

    place: int
    line_ref: str | None
    subscription_id: str | None
    phone_number: str | None
    user_id: str | None
    kind: Kind
    begins: date | None
    ends: date | None
    quantity: int | None
    micros: int
    currency: str
    description: str


class LinePage(Page[LineOut]):
    """Lines, in the order of the file."""


class RejectOut(BaseModel):
    """A row that is kept aside. `line`: of the file. `cells`: what was read of it, by member. `mended`: the values that
    took the place of its own.
    """

    place: int
    line: int
    text: str
    cells: dict[str, str]
    faults: list[InvoiceFaultOut]
    decision: Literal["dropped", "mended"] | None
    mended: dict[str, str] | None
    decided_by: str | None
    decided_at: datetime | None


class RejectPage(Page[RejectOut]):
    """Rows that are kept aside, in the order of the file."""


class ResolveIn(Strict):
    """`places`: which rows; without them, all that wait. `values`: by member of a line, as the file would write them;
    they take the place of what stands there.
    """

    decision: Literal["drop", "mend"]
    places: Annotated[list[Annotated[StrictInt, Field(ge=1)]], Field(min_length=1, max_length=MOST_PLACES)] | None = (
        None
    )
    values: Annotated[dict[Annotated[StrictStr, Field(max_length=40)], Value], Field(max_length=len(FIELDS))] | None = (
        None
    )


class InvoiceOut(BaseModel):
    """An invoice. `period`: the month it is for; `period_state`: how far our own is. `size`, `size_read`: bytes of the
    file, and of it so far. `read_through`: rows read. `rejected`: rows that wait for a decision. `micros`: the sum of
    its lines. `already_filed`: it was there before, with just this content.
    """

    id: UUID
    account_id: UUID
    supplier: str
    number: str | None
    file_name: str
    sha256: str
    profile: str | None
    mapping: MappingBody
    currency: str | None
    period: str
    period_state: State
    state: InvoiceState
    size: int
    size_read: int
    read_through: int
    lines: int
    rejected: int
    micros: int
    problem: str | None
    created_at: datetime
    created_by: str
    already_filed: bool


class InvoicePage(Page[InvoiceOut]):
    """Invoices, the newest first."""


class PreviewRejectOut(BaseModel):
    place: int
    line: int
    text: str
    faults: list[InvoiceFaultOut]


class InvoicePreviewOut(BaseModel):
    """What would be read, by a mapping that was named, or that the headers suggest. `complete`: the whole file was
    looked at; else its first `rows`. `unused`: columns that are not read. `rejects`: the first.
    """

    profile: str | None
    guessed: bool
    mapping: MappingBody
    headers: list[str]
    unused: list[str]
    rows: int
    complete: bool
    lines: int
    rejected: int
    currency: str | None
    micros: int
    sample: list[LineOut]
    rejects: list[PreviewRejectOut]
    already_filed: UUID | None = Field(description="the invoice that has just this content")
