"""Webhook endpoints and deliveries as they are sent and answered."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StrictStr

from service.http.pages import Moment, Page, Total
from service.kit.clock import utc_now
from service.outbox.catalogue import unknown_types
from service.outbox.feed import unknown_type
from service.tenants.schemas import PlainText, Strict
from service.webhooks.errors import TargetRefused
from service.webhooks.targets import LONGEST_URL, parts_of
from service.webhooks.webhooks import Wish

LONGEST_OVERLAP = 30 * 86_400
DeliveryState = Literal["waiting", "delivered", "given_up"]


def _url(url: str) -> str:
    try:
        parts_of(url)
    except TargetRefused as refusal:
        raise ValueError(str(refusal)) from None
    return url


def _type(one: str) -> str:
    if unknown_types([one]):
        raise ValueError(unknown_type(one))
    return one


def _past(moment: datetime) -> datetime:
    if moment > utc_now() + timedelta(minutes=1):
        raise ValueError("lies ahead: nothing has happened since")
    return moment


Url = Annotated[
    StrictStr,
    AfterValidator(_url),
    Field(max_length=LONGEST_URL, description="https, at an address that all can reach"),
]
Types = Annotated[
    list[Annotated[StrictStr, AfterValidator(_type)]] | None,
    Field(min_length=1, max_length=100, description="Names of events, or groups as `number.*`; null is all"),
]
Description = Annotated[PlainText | None, Field(max_length=500)]


class WebhookCreate(Strict):
    url: Url
    types: Types = None
    description: Description = None

    def wish(self) -> Wish:
        return _wish(self)


class WebhookPatch(Strict):
    """What is absent stays as it is."""

    url: Url = ""
    types: Types = None
    description: Description = None
    state: Literal["active", "disabled"] = "active"

    def wish(self) -> Wish:
        return _wish(self)


class WebhookRotate(Strict):
    overlap_seconds: Annotated[
        int, Field(strict=True, ge=0, le=LONGEST_OVERLAP, description="For so long the secret before signs too")
    ] = 86_400


class RedeliverSince(Strict):
    since: Annotated[Moment, AfterValidator(_past), Field(description="Of the change that an event tells of")]


class WebhookOut(BaseModel):
    """`disabled_because`: `asked`, `failing` for three days, `gone`, by a 410, or `tenant_closed`."""

    id: UUID
    url: str
    description: str | None
    types: list[str] | None
    state: Literal["active", "disabled"]
    disabled_because: str | None
    sequence: int = Field(description="Up to here each event was delivered, or is tried again")
    failing_since: datetime | None
    next_try_at: datetime | None = Field(description="While it fails: nothing is sent before")
    previous_secret_until: datetime | None
    created_at: datetime


class WebhookMade(WebhookOut):
    secret: str | None = Field(description="Shown this once; null in a replay")


class WebhookPage(Page[WebhookOut]):
    """Endpoints, in the order in which they were made."""


class WebhookTested(BaseModel):
    """What came of it. `status`: null where there was no answer."""

    event_id: UUID
    delivered: bool
    status: int | None
    error: str | None
    seconds: float


class DeliveryOut(BaseModel):
    """One event and one endpoint. `status`, `error`, `seconds`: of the last attempt."""

    id: UUID
    event_id: UUID
    type: str
    sequence: int
    state: DeliveryState
    attempts: int
    first_tried_at: datetime | None
    tried_at: datetime | None
    next_try_at: datetime | None
    status: int | None
    error: str | None
    seconds: float | None


class DeliveryPage(Page[DeliveryOut]):
    """Deliveries, newest events first."""


class RedeliveryOut(BaseModel):
    events: Total


def _wish(body: WebhookCreate | WebhookPatch) -> Wish:
    given: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if given.get("types") is not None:
        given["types"] = tuple(dict.fromkeys(given["types"]))
    return Wish(frozenset(given), **given)
