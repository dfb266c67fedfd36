"""What callers send and get on Teli's paths of numbers, and on operations."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from service.http.pages import Page
from service.http.params import MOST_WARNINGS
from service.kit.phone import AreaCodeRefused, check_area_code
from service.kit.text import shown
from service.kit.types import OrganizationId, UserId
from service.numbers.marks import mark_of
from service.numbers.members import LONGEST_AGENT_ID, LONGEST_NICKNAME, MOST_TAGS
from service.numbers.purchases import Wish
from service.numbers.repository import Change
from service.tenants.schemas import ExternalId, PlainText, Reason, Strict


def _sold_area_code(code: str) -> str:
    try:
        return check_area_code(code).code
    except AreaCodeRefused as refused:
        raise PydanticCustomError(
            "invalid_area_code",
            "{detail}",
            {"detail": refused.detail, "reason": refused.reason.value, "suggestions": list(refused.suggestions)},
        ) from None


def unmarked(nickname: str) -> str:
    if mark_of(nickname):
        raise ValueError("must not begin like one of our marks, a bracket with 13 letters and digits; change its start")
    return nickname


def _empty_is_none(value: Any) -> Any:
    """Teli clears by null and by an empty string alike."""
    return None if value == "" else value


AreaCode = Annotated[StrictStr, AfterValidator(_sold_area_code)]
AgentId = Annotated[PlainText, Field(min_length=1, max_length=LONGEST_AGENT_ID)]
Nickname = Annotated[PlainText, Field(min_length=1, max_length=LONGEST_NICKNAME), AfterValidator(unmarked)]
Label = Annotated[PlainText, Field(min_length=1, max_length=64)]


class TeliBody(BaseModel):
    """A body on one of Teli's paths: fields we do not know are ignored, and named in `warnings`."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    def warnings(self) -> tuple[str, ...]:
        """Unknown fields, each named, twenty at most."""
        names = sorted(self.model_extra or {})[:MOST_WARNINGS]
        return tuple(f"{shown(name)}: not a field of this request, ignored" for name in names)


class NumberCreate(TeliBody):
    area_code: AreaCode = Field(
        description="Three digits of a geographic area code of the United States or Canada.", examples=["313"]
    )
    user_id: ExternalId = Field(
        description="`unique_id` of the owning user.", examples=["1762896366429x599348279945132448"]
    )
    organization_id: ExternalId | None = Field(
        None,
        description="`unique_id` of the organisation; may be left out where the tenant has a grant for one only.",
        examples=["1762896364768x389173798861431550"],
    )
    tenant_id: ExternalId | None = Field(
        None, description="May be left out; else your own id, or your account's at Teli.", examples=["your_tenant"]
    )
    nickname: Nickname | None = Field(None, examples=["Sales line"])
    cost_center: Label | None = Field(None, examples=["marketing"])
    tags: Annotated[list[Label], Field(max_length=MOST_TAGS)] | None = Field(None, examples=[["sales", "detroit"]])
    inbound_agent_id: AgentId | None = Field(None, description="Linked after the purchase.")
    outbound_agent_id: AgentId | None = Field(None, description="Linked after the purchase.")

    def wish(self, organization: OrganizationId, warnings: Iterable[str] = ()) -> Wish:
        """`warnings`: what was ignored beside the body."""
        return Wish(
            organization_id=organization,
            user_id=UserId(self.user_id),
            area_code=self.area_code,
            nickname=self.nickname,
            cost_center=self.cost_center,
            tags=tuple(dict.fromkeys(self.tags or ())),
            inbound_agent_id=self.inbound_agent_id,
            outbound_agent_id=self.outbound_agent_id,
            warnings=(*self.warnings(), *warnings),
        )


class NumberUpdate(TeliBody):
    """At least one of the three; null or an empty string clears."""

    inbound_agent_id: Annotated[AgentId | None, BeforeValidator(_empty_is_none)] = Field(
        None, examples=["agent_0123456789abcdef0123456789"]
    )
    outbound_agent_id: Annotated[AgentId | None, BeforeValidator(_empty_is_none)] = None
    nickname: Annotated[Nickname | None, BeforeValidator(_empty_is_none)] = None


class NumberBought(BaseModel):
    """Teli's body, and beside it `id`, `state` and `operation_id`."""

    success: Literal[True] = True
    phone_number: str = Field(examples=["+13135550142"])
    phone_number_pretty: str = Field(examples=["+1 313-555-0142"])
    area_code: str
    phone_number_type: str
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: list[str] | None = None
    joined: Literal[True] | None = Field(
        None, description="Taken over, without a key, from an equal request that was not told."
    )


class PendingOut(BaseModel):
    """The outcome is not known yet: poll the operation, whose path is in `Location`."""

    success: Literal[False] = False
    pending: Literal[True] = True
    operation_id: UUID
    state: Literal["pending", "unresolved", "succeeded", "failed"]
    joined: Literal[True] | None = Field(
        None, description="Taken over, without a key, from an equal request that was not told."
    )


class NumberUpdated(BaseModel):
    success: Literal[True] = True
    phone_number: str
    message: str
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    nickname: str | None = None
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: list[str] | None = None


class NumberReleased(BaseModel):
    success: Literal[True] = True
    phone_number: str
    released_at: datetime
    billing_stopped: bool | None = None
    already_released: bool | None = None
    message: str
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID | None = None
    warnings: list[str] | None = None


class TeliRow(BaseModel):
    """A row in Teli's shape; `id`, `state`, `cost_center`, `tags` and `holder_user_id` are ours."""

    phone_number: str
    pretty_phone_number: str
    id: UUID
    area_code: str
    phone_type: str
    provider: str
    user_id: str
    organization_id: str
    tenant_id: str
    outbound_agent_id: str | None
    inbound_agent_id: str | None
    nickname: str | None
    location: str | None
    accessible_by: list[str]
    stripe_subscription_id: str | None
    zapier: bool
    created_at: datetime
    state: str
    cost_center: str | None
    tags: list[str]
    holder_user_id: str | None


class TeliListing(BaseModel):
    """`next_cursor` only where `limit` was given."""

    success: Literal[True] = True
    phone_numbers: list[TeliRow]
    count: int
    powered_by: str
    next_cursor: str | None = None
    warnings: list[str] | None = None


class NumberPatch(Strict):
    """What is absent stays as it is; null clears. `tags` is the whole list. Agents need the scope `agents:link` too."""

    nickname: Nickname | None = Field(None, examples=["Sales line"])
    tags: Annotated[list[Label], Field(max_length=MOST_TAGS)] | None = Field(None, examples=[["sales", "detroit"]])
    cost_center: Label | None = Field(None, examples=["marketing"])
    holder_user_id: ExternalId | None = Field(
        None, description="Who uses it: a user of the number's organisation", examples=[None]
    )
    inbound_agent_id: AgentId | None = Field(None, examples=["agent_0123456789abcdef0123456789"])
    outbound_agent_id: AgentId | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"needs at least one of {', '.join(type(self).model_fields)}")
        return self

    def change(self) -> Change:
        given = self.model_dump(exclude_unset=True)
        if "tags" in given:
            given["tags"] = tuple(dict.fromkeys(given["tags"] or ()))
        return Change(frozenset(given), **given)


class LinkOut(BaseModel):
    """`desired`: what is wanted; `confirmed`: what Teli has said that it has."""

    desired: str | None
    confirmed: str | None
    state: Literal["pending", "confirmed", "refused"]
    updated_at: datetime


class Agents(BaseModel):
    """Null where none was ever linked."""

    inbound: LinkOut | None
    outbound: LinkOut | None


class CostsOut(BaseModel):
    """Micro-units of `currency` (ISO 4217): 2990000 is 2.99, as statements have it. `source`: whether its price is of
    the price book, and then `price_id` says which, or its own since it was imported.
    """

    to_date: int
    monthly: int
    next_charge_at: datetime | None
    next_charge: int
    currency: str
    source: Literal["price_book", "import"]
    price_id: UUID | None


class PurchaseOut(BaseModel):
    """`ended_at`: of the one request to Teli, `answered` its status; null where none came, or not for you to know.

    `idempotency_key` and `request_id` are told to the tenant that sent them.
    """

    operation_id: UUID
    state: str
    decision: str | None
    idempotency_key: str | None
    request_id: str | None
    admitted_at: datetime
    ended_at: datetime | None
    decided_at: datetime | None
    answered: int | None


class UpstreamOut(BaseModel):
    """The number's row at Teli. `last_seen_at`: in a whole listing; `gone_at`: since when it is listed no more."""

    row_id: str | None
    subscription_id: str | None
    nickname: str | None
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    gone_at: datetime | None


class CallsOut(BaseModel):
    """Null is unknown: a number of which no call was looked for is not idle for that."""

    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    idle_since: datetime | None


class OwedOut(BaseModel):
    """What is still to be done at Teli, `due_at` next; `outcome`: what became of the last try."""

    operation_id: UUID
    kind: str
    state: Literal["pending", "unresolved"]
    created_at: datetime
    due_at: datetime
    tries: int
    outcome: str | None


class ReleaseOut(BaseModel):
    """A number that is to be given back at `at`, and may be restored until then.

    `extra_charge`: micro-units of the currency of `costs`, for months that begin until then.
    """

    operation_id: UUID
    at: datetime
    asked_at: datetime
    reason: str | None
    extra_charge: int


class DriftOfNumber(BaseModel):
    """What Teli lists otherwise than is wanted, `since` then; `why` in words, and why nobody decided it yet."""

    id: UUID
    member: Literal["nickname", "inbound_agent_id", "outbound_agent_id", "user_id"]
    ours: str | None
    theirs: str | None
    since: datetime
    seen_at: datetime
    why: str


class NumberOut(BaseModel):
    """One acquisition. `user_id` owns it at Teli, `holder_user_id` uses it.

    `operation_id` is its purchase; an adopted one has none.
    """

    id: UUID
    phone_number: str = Field(examples=["+13135550142"])
    state: Literal["active", "release_scheduled", "releasing", "released", "missing"]
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    cost_center: str | None
    tags: list[str]
    holder_user_id: str | None
    inbound_agent_id: str | None
    outbound_agent_id: str | None
    acquired_at: datetime
    confirmed_at: datetime | None
    released_at: datetime | None
    operation_id: UUID | None
    agents: Agents
    costs: CostsOut
    purchase: PurchaseOut | None
    upstream: UpstreamOut
    calls: CallsOut
    owed: list[OwedOut]
    drift: list[DriftOfNumber]
    release: ReleaseOut | None


class ReleaseAsk(Strict):
    reason: Reason | None = Field(None, examples=["The campaign is over"])
    force: StrictBool = Field(False, description="Also out of a running campaign")


class RestoreAsk(Strict):
    reason: Reason | None = Field(None, examples=["It is on the new brochure"])


class HistoryItem(BaseModel):
    """`before` and `after` hold what changed."""

    at: datetime
    action: str = Field(examples=["number.changed"])
    actor: str = Field(
        description="A key or token, or a part of the gateway. To whom the audit log is not told: `person`, `admin` or"
        " `operator`, and `tenant` for whoever acts for another tenant",
    )
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class HistoryPage(Page[HistoryItem]):
    """What happened to a number and to its purchase, newest first."""


class OperationOut(BaseModel):
    """`result` is the answer the request would have got, or `problem` why there is none."""

    id: UUID
    kind: Literal["purchase", "update", "release", "campaign"]
    state: Literal["pending", "succeeded", "failed", "unresolved"]
    intent_state: str | None = None
    created_at: datetime
    ended_at: datetime | None
    number_id: UUID | None
    result: dict[str, Any] | None
    problem: dict[str, Any] | None
