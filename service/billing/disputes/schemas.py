"""What finance sends and gets of matches and disputes. Amounts are integer micro-units of the invoice's currency."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from service.billing.matching import Verdict
from service.billing.schemas import MOST_MICROS, ChargingRuleBody
from service.http.pages import Page
from service.tenants.schemas import Name, Reason, Strict

VERDICTS: tuple[str, ...] = get_args(Verdict)
# What a line may charge too much by.
Disputable = Literal[
    "within_tolerance", "price_differs", "quantity_differs", "charged_after_release", "never_ours", "not_charged",
    "duplicate",
]  # fmt: skip


class MatchIn(Strict):
    """`tolerance`: a line that is off by no more is within it, and nothing to dispute."""

    tolerance: Annotated[StrictInt, Field(ge=0, le=MOST_MICROS)] = 0


class OfVerdict(BaseModel):
    verdict: str
    findings: int
    expected_micros: int
    charged_micros: int
    difference_micros: int


class BasisOut(BaseModel):
    """What the ledger's charges were reckoned from. `final`: whether the month was closed."""

    final: bool
    charging_rule: ChargingRuleBody
    facts_through: int
    prices_through: int


class MatchOut(BaseModel):
    """`state`: queued, running, done, failed. What is charged is what was expected and the difference, to the last
    micro-unit; so it is of each verdict. What is null or empty is known once it is done.
    """

    invoice_id: UUID
    state: str
    period: str
    currency: str | None
    tolerance: int
    asked_at: datetime
    asked_by: str
    ended_at: datetime | None
    problem: str | None
    lines: int
    charged_micros: int
    expected_micros: int
    difference_micros: int
    verdicts: list[OfVerdict]
    basis: BasisOut | None


class FindingOut(BaseModel):
    """`place`: of the invoice's line; null is a charge without one. `begins`, `ends`: of the charge that it is for, at
    `price_ids`; `line_begins`, `line_ends`: of the line. `ends` is the day after the last. `other_place`: of a
    duplicate, the line that was there before; of the invoice `other_invoice_id`, null is the same. `evidence`, where
    something differs: how long the ledger held the number, when listings showed it, and the line of an earlier invoice.
    `dispute_id`: of the dispute that it is in, unless that was rejected.
    """

    finding: int
    place: int | None
    verdict: str
    number_id: UUID | None
    phone_number: str | None
    subscription_id: str | None
    kind: str
    begins: date | None
    ends: date | None
    expected_micros: int
    charged_micros: int
    difference_micros: int
    other_place: int | None
    other_invoice_id: UUID | None
    line_begins: date | None
    line_ends: date | None
    quantity: int | None
    description: str | None
    price_ids: list[UUID] | None
    dispute_id: UUID | None
    evidence: dict[str, Any] | None


class FindingPage(Page[FindingOut]):
    """Findings in the order of the invoice, what is missing in it last."""


FindingId = Annotated[StrictInt, Field(ge=1, le=1 << 53)]


class DisputeIn(Strict):
    """What is disputed of an invoice: all that charges too much and has one of these verdicts, and these findings."""

    invoice_id: UUID
    title: Name
    verdicts: Annotated[list[Disputable], Field(max_length=len(VERDICTS), default_factory=list)]
    findings: Annotated[
        list[Annotated[StrictInt, Field(ge=1, le=1 << 53)]], Field(max_length=1000, default_factory=list)
    ]

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.verdicts and not self.findings:
            raise ValueError("must name verdicts or findings")
        return self


class DisputeOut(BaseModel):
    """`micros`: what is disputed; `credited_micros`: what was given back of it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    invoice_id: UUID
    account_id: UUID
    state: str
    title: str
    currency: str
    lines: int
    micros: int
    credited_micros: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    changed_by: str


class DisputePage(Page[DisputeOut]):
    """Disputes, the last opened first."""


class NoteIn(Strict):
    text: Reason


class NoteOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    by: str
    text: str


class AttachmentOut(BaseModel):
    """`size`: in bytes."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    by: str
    name: str
    media_type: str
    size: int


class DisputedVerdict(BaseModel):
    verdict: str
    lines: int
    disputed_micros: int
    credited_micros: int


class CreditOut(BaseModel):
    """That the line at `place` of a later invoice gives back so much of a line of the dispute."""

    invoice_id: UUID
    number: str | None
    place: int
    line: int
    micros: int
    at: datetime


class DisputeDetail(DisputeOut):
    supplier: str
    invoice_number: str | None
    period: str
    verdicts: list[DisputedVerdict]
    notes: list[NoteOut]
    attachments: list[AttachmentOut]
    credits: list[CreditOut]


class DisputeMove(Strict):
    """`submitted`: it was sent. `accepted`: the supplier agrees, and is to give back. `rejected`: he does not.
    `credited`: he gave back, `credited_micros` of it, all where that is not said.
    """

    state: Literal["submitted", "accepted", "rejected", "credited"]
    credited_micros: Annotated[StrictInt, Field(ge=1, le=1 << 53)] | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _credits_what_is_credited(self) -> Self:
        if self.credited_micros is not None and self.state != "credited":
            raise ValueError("credited_micros goes with the state credited alone")
        return self


class DisputeLineOut(BaseModel):
    """A finding as it was when it was disputed. `line_ref`, `line_begins`, `line_ends`: as the invoice has them."""

    line: int
    place: int | None
    verdict: str
    number_id: UUID | None
    phone_number: str | None
    subscription_id: str | None
    kind: str
    begins: date | None
    ends: date | None
    line_ref: str | None
    line_begins: date | None
    line_ends: date | None
    expected_micros: int
    charged_micros: int
    disputed_micros: int
    credited_micros: int
    evidence: dict[str, Any] | None


class DisputeLinePage(Page[DisputeLineOut]):
    """What is disputed, in the order of the invoice."""
