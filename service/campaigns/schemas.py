"""What callers send and get on Teli's paths of campaigns."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from service.kit.phone import NotAPhoneNumber, path_number
from service.numbers.schemas import AgentId, TeliBody
from service.tenants.schemas import ExternalId, PlainText

# A body holds a megabyte and ten thousand values at most; these bound what is checked one by one.
MOST_LEADS, MOST_IN_POOL = 5_000, 100


def _e164(text: str) -> str:
    try:
        return path_number(text)
    except NotAPhoneNumber:
        raise ValueError("is not an E.164 number, as +13135550142") from None


def _path_segment(text: str) -> str:
    """Of a path it is one segment at Teli too, so it must not end one, nor be what a path leaves out."""
    if "/" in text or text in (".", ".."):
        raise ValueError("must not contain a slash, nor be . or ..")
    return text


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time by ISO 8601, as 2026-12-01T09:00:00Z") from None
    return text


CampaignId = Annotated[PlainText, Field(min_length=1, max_length=128), AfterValidator(_path_segment)]
CallerId = Annotated[PlainText, AfterValidator(_e164)]
IsoMoment = Annotated[PlainText, Field(min_length=1, max_length=40), AfterValidator(_moment)]


class Inner(BaseModel):
    """Of a body that goes on to Teli: members we do not know go with it."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)


class PoolNumber(Inner):
    phone_number: CallerId


class Redial(Inner):
    retry_limit: Annotated[StrictInt, Field(ge=0, le=100)] | None = None
    call_interval_days: Annotated[StrictInt, Field(ge=0, le=365)] | None = None


class CampaignCreate(TeliBody):
    """`campaign_id` is required: it is the key by which a create that is sent again is known, and calls nobody twice.

    A lead without `phone_number` is counted invalid by Teli, not refused; its other members go on as they are.
    """

    campaign_id: CampaignId = Field(examples=["spring-offer-2026"])
    leads: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_LEADS)] = Field(
        examples=[[{"phone_number": "+14155550101", "first_name": "Ada"}]]
    )
    voice_agent_id: AgentId
    agent_outbound_number: CallerId = Field(description="The caller id: a number that you hold.")
    user_id: ExternalId
    organization_id: ExternalId | None = None
    tenant_id: ExternalId | None = None
    number_pool: Annotated[list[PoolNumber], Field(max_length=MOST_IN_POOL)] | None = None
    campaign_begin_time: IsoMoment | None = None
    campaign_end_time: IsoMoment | None = None
    redial_enabled: StrictBool | None = None
    redial_config: Redial | None = None

    @property
    def invalid_leads(self) -> int:
        """How many Teli will count so."""
        return sum(not lead.get("phone_number") for lead in self.leads)

    def caller_ids(self) -> dict[str, str]:
        """The numbers that it calls from, by the pointer to where each is named first."""
        named = {self.agent_outbound_number: "/agent_outbound_number"}
        for place, one in enumerate(self.number_pool or ()):
            named.setdefault(one.phone_number, f"/number_pool/{place}/phone_number")
        return {pointer: number for number, pointer in named.items()}

    def for_teli(self, organization: str, teli_tenant: str) -> dict[str, Any]:
        """The body that is sent, without what we do not know."""
        known = set(type(self).model_fields)
        given = self.model_dump(include=known, exclude_none=True, exclude_unset=True)
        return given | {"organization_id": organization, "tenant_id": teli_tenant}


class CampaignCreated(BaseModel):
    """Teli's body, and beside it `id`, `state` and `operation_id`."""

    success: Literal[True] = True
    campaign_id: str
    contacts_count: int | None
    invalid_leads_count: int | None
    campaign_begin_time: str | None
    campaign_end_time: str | None
    message: str | None
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: list[str] | None = None


class CampaignRow(BaseModel):
    """Teli's row; `id` and `state` are ours."""

    model_config = ConfigDict(extra="allow")

    campaign_id: str
    status: str | None = None
    id: UUID
    state: str


class CampaignList(BaseModel):
    success: Literal[True] = True
    count: int
    campaigns: list[CampaignRow]
    powered_by: str
    warnings: list[str] | None = None


class Progress(BaseModel):
    total: int | None = None
    completed: int | None = None
    pending: int | None = None


class CampaignOut(BaseModel):
    """`state` is ours: `running`, `paused`, `completed`, `ended`, or `gone` where Teli knows it no more."""

    success: Literal[True] = True
    campaign_id: str
    status: str
    progress: Progress
    powered_by: str
    id: UUID
    state: str
    operation_id: UUID
    warnings: list[str] | None = None


class CampaignMoved(BaseModel):
    success: Literal[True] = True
    campaign_id: str
    message: str
    powered_by: str
    id: UUID
    state: str
    warnings: list[str] | None = None
