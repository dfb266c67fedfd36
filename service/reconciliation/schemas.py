"""The operator's lists and decisions, as sent and answered."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from service.http.pages import Page
from service.kit.phone import NotAPhoneNumber, parse_e164
from service.numbers.schemas import DriftOfNumber
from service.tenants.schemas import ExternalId, PlainText, Reason


def _e164(text: str) -> str:
    try:
        return parse_e164(text)
    except NotAPhoneNumber as error:
        raise ValueError(str(error)) from None


class OrphanOut(BaseModel):
    """A number upstream that no intent explains; `reason` says how it came here, `intent_id` what it may belong to."""

    id: UUID
    phone_number: str
    state: str
    organization_id: str | None
    tenant_id: str | None
    user_id: str | None
    area_code: str | None
    nickname: str | None
    row_id: str | None
    reason: str
    intent_id: UUID | None
    seen_at: str


class DoubtOut(BaseModel):
    """A purchase whose outcome is not proved: what was heard of it, and the rows it may have bought.

    Of many, the last that was heard and the first of the rows; `evidence_total` and `candidates_total` count all.
    """

    id: UUID
    phone_number: str | None
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    reason: str | None
    mark: str
    admitted_at: str
    send_ended_at: str | None
    evidence: list[dict[str, Any]]
    evidence_total: int
    candidates: list[OrphanOut]
    candidates_total: int


class DoubtDetail(DoubtOut):
    """With what it was decided on, kept for thirty days: the rows considered, the looks, Teli's counts."""

    decided_on: list[dict[str, Any]]


class GhostOut(BaseModel):
    """A number held here that cannot be told to be at Teli; `reason` says why, in words.

    It is so since `gone_at`; `looks` complete listings since then did not show it.
    """

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    row_id: str | None
    reason: str
    gone_at: str
    looks: int


class DoubtPage(Page[DoubtOut]):
    """Doubts, oldest first."""


class OrphanPage(Page[OrphanOut]):
    """Orphans, oldest first."""


class GhostPage(Page[GhostOut]):
    """Ghosts, oldest first."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    reason: Reason


class DoubtDecision(Strict):
    """`owned` needs the number that was bought."""

    decision: Literal["owned", "refused"]
    phone_number: Annotated[StrictStr, AfterValidator(_e164)] | None = Field(None, examples=["+13135550142"])


class OrphanDecision(Strict):
    """`adopt` and `release` need a tenant and a user where the orphan names none."""

    decision: Literal["adopt", "release", "ignore"]
    tenant_id: Annotated[PlainText, Field(min_length=1, max_length=64)] | None = None
    user_id: ExternalId | None = None


class GhostDecision(Strict):
    decision: Literal["missing", "still_ours"]


class DriftOut(DriftOfNumber):
    """With whose number it is; `id` is the drift's. `ours`: what is wanted; `theirs`: what Teli lists."""

    number_id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None


class DriftPage(Page[DriftOut]):
    """Drift that nobody decided, what has been so for longest first."""


class DriftDecision(Strict):
    """`ours` is put back at Teli, `theirs` is taken into the ledger."""

    decision: Literal["ours", "theirs"]


class DriftDecided(BaseModel):
    """`operation_id`: of the change that Teli is owed, where ours is put back."""

    id: UUID
    state: Literal["settled"]
    number_id: UUID
    operation_id: UUID | None


class Decided(BaseModel):
    id: UUID
    state: str
    number_id: UUID | None
