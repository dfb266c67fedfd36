"""Every event there is: its stable name, when it is written, and what its `data` holds. The one place that lists them.

To add one, write its class here: `kind`, a docstring that says when it is written, and the members of its `data`.
`record` refuses what is not listed or does not fit, and the OpenAPI document and docs/events.md (`python -m
tests.outbox`) are made from here. A name is never given another meaning, and members are only added: others read them.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

ANY_OF_A_GROUP = ".*"
# Events that share one of these are of one thing, and are told in the order in which they came to be.
THINGS = ("number_id", "operation_id", "order_id", "campaign_id", "endpoint_id", "budget_id")


class EventData(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: ClassVar[str]


# -- Purchases ---------------------------------------------------------------------------------------------------------


class Purchase(EventData):
    operation_id: UUID = Field(description="For `GET /v1/operations/{operation_id}`")
    organization_id: str
    user_id: str
    area_code: str
    reason: str | None = Field(None, description="How it was told: a stable word, as in the audit log")


class NumberAcquired(Purchase):
    """A number was bought; also where that was found out later than its purchase was answered."""

    kind = "number.acquired"
    number_id: UUID
    phone_number: str


class NumberDoubtful(Purchase):
    """Whether a purchase brought a number is not known; it is looked for, and never sent again."""

    kind = "number.doubtful"
    phone_number: None = None


class NumberRefused(Purchase):
    """A purchase brought no number, and its quota is free again."""

    kind = "number.refused"
    phone_number: None = None


class NumberUnresolved(Purchase):
    """A doubt could not be resolved by looking; an operator decides. Its quota stays held."""

    kind = "number.unresolved"


class NumberOrphaned(EventData):
    """An answer told of a number that its purchase does not own; an operator decides."""

    kind = "number.orphaned"
    operation_id: UUID
    phone_number: str


# -- Numbers -----------------------------------------------------------------------------------------------------------


class HeldNumber(EventData):
    number_id: UUID = Field(description="Of this acquisition: carriers recycle E.164 numbers")
    phone_number: str
    organization_id: str
    user_id: str


class NumberAdopted(HeldNumber):
    """An operator gave an orphan to this tenant."""

    kind = "number.adopted"


class NumberImported(HeldNumber):
    """An administrator gave this tenant a number that its account held before Numbergate."""

    kind = "number.imported"


class NumberConfirmed(HeldNumber):
    """The number was seen in Teli's listing."""

    kind = "number.confirmed"
    row_id: str = Field(description="Its id at Teli")


class NumberUnmarked(HeldNumber):
    """The mark that the gateway had put before its nickname at Teli is gone."""

    kind = "number.unmarked"


class NumberChanged(HeldNumber):
    """What is wanted of it was changed; only what was named is here, null where it was cleared."""

    kind = "number.changed"
    nickname: str | None = None
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    cost_center: str | None = None
    tags: list[str] | None = None
    holder_user_id: str | None = None


class NumberChangeRefused(HeldNumber):
    """Teli refused a change; what it refused is wanted no longer."""

    kind = "number.change_refused"
    refused: list[str] = Field(description="The members that it refused")
    said: str


class NumberReleaseScheduled(HeldNumber):
    """It is given back when its grace is over, unless it is restored before."""

    kind = "number.release_scheduled"
    release_at: datetime
    reason: str | None = None


class NumberRestored(HeldNumber):
    """Its release was taken back: it is kept."""

    kind = "number.restored"


class NumberDrifted(HeldNumber):
    """Teli lists it otherwise than is wanted: it was changed in the dashboard, or Teli lost it."""

    kind = "number.drifted"
    member: str
    ours: str | None
    theirs: str | None
    why: str


class NumberDriftSettled(HeldNumber):
    """One of the two holds now, or the drift went by itself."""

    kind = "number.drift_settled"
    member: str
    ours: str | None
    theirs: str | None
    decision: str = Field(description="ours, theirs or gone")


class NumberReleasing(HeldNumber):
    """Its release was asked for and is under way."""

    kind = "number.releasing"


class NumberReleased(HeldNumber):
    """It is given back, and its quota is free."""

    kind = "number.released"


class NumberReleaseUnresolved(HeldNumber):
    """Whether it is given back is not known; an operator decides."""

    kind = "number.release_unresolved"
    why: str


class NumberMissing(HeldNumber):
    """An operator decided that Teli has it no more. It counts no longer."""

    kind = "number.missing"


class NumberStillOurs(HeldNumber):
    """An operator decided that it is held, though Teli does not list it."""

    kind = "number.still_ours"
    state: str


class NumberSeenAgain(HeldNumber):
    """It was missing and is listed again. It counts again."""

    kind = "number.seen_again"


# -- Orders ------------------------------------------------------------------------------------------------------------


class Order(EventData):
    order_id: UUID
    order_kind: str
    counts: dict[str, int] = Field(description="Items by outcome")


class OrderCompleted(Order):
    """Every item of an order is done."""

    kind = "order.completed"


class OrderPartial(Order):
    """An order is over, and some of its items were not done."""

    kind = "order.partial"


class OrderCancelled(Order):
    """An order was cancelled, and what it had begun is over."""

    kind = "order.cancelled"


class OrderFailed(Order):
    """An order is over, and none of its items was done."""

    kind = "order.failed"


# -- Campaigns ---------------------------------------------------------------------------------------------------------


class Campaign(EventData):
    id: UUID = Field(description="Its operation's")
    campaign_id: str


class CampaignSending(Campaign):
    """A campaign is being created at Teli."""

    kind = "campaign.sending"


class CampaignCreated(Campaign):
    """Teli has the campaign, and calls."""

    kind = "campaign.created"


class CampaignDoubtful(Campaign):
    """Whether Teli has the campaign is not known; it is looked for, and never sent again."""

    kind = "campaign.doubtful"


class CampaignRefused(Campaign):
    """There is no such campaign at Teli."""

    kind = "campaign.refused"


class CampaignRunning(Campaign):
    """A campaign goes on."""

    kind = "campaign.running"


class CampaignPaused(Campaign):
    """A campaign pauses."""

    kind = "campaign.paused"


class CampaignCompleted(Campaign):
    """A campaign has called everybody."""

    kind = "campaign.completed"


class CampaignEnded(Campaign):
    """A campaign was ended before it had called everybody."""

    kind = "campaign.ended"


class CampaignGone(Campaign):
    """Teli lists the campaign no more."""

    kind = "campaign.gone"


# -- Billing -----------------------------------------------------------------------------------------------------------


class StatementFinal(EventData):
    """A month was closed for good, and this tenant is charged in it. Amounts are not told here: whoever may read them
    asks for `GET /v1/billing/statements/{period}`.
    """

    kind = "statement.final"
    period: str = Field(description="A month, as 2026-11")
    hash: str = Field(description="SHA-256 over all charges of the month, every tenant's")
    charges: int = Field(description="This tenant's own")
    corrections: int = Field(description="Of these, those that put months before it right")
    organization_ids: list[str] = Field(description="For which it is charged: the first hundred")


class BudgetReached(EventData):
    """A threshold of a budget was reached, once a month each: by what is charged so far, or, for 100 % alone, by what
    is to be expected of the whole month. Told to the tenant that the budget names for it.
    """

    kind = "budget.reached"
    budget_id: UUID
    name: str | None
    period: str = Field(description="A month, as 2026-11")
    threshold: int = Field(description="In percent: 50, 80 or 100")
    measure: str = Field(description="`charged` or `forecast`")
    micros: int = Field(description="So far, or expected, in micro-units")
    amount: int = Field(description="The budget's")
    currency: str


# -- Quotas ------------------------------------------------------------------------------------------------------------


class QuotaNearLimit(EventData):
    """A limit of the tenant came to be used to 80 % or in full, what is reserved counted with it; once for each time
    that it comes to be so.
    """

    kind = "quota.near_limit"
    limit_name: str = Field(description="`numbers_held` or `spend_per_month`")
    percent: int = Field(description="80 or 100")
    limit: int
    used: int
    reserved: int


# -- Webhooks ----------------------------------------------------------------------------------------------------------


class WebhookDisabled(EventData):
    """An endpoint is sent nothing more: it failed for three days, or answered 410."""

    kind = "webhook.disabled"
    endpoint_id: UUID
    url: str
    reason: str = Field(description="`failing` or `gone`")
    failing_since: datetime | None


class WebhookTest(EventData):
    """A test was asked for. It is sent to that endpoint alone, with a `sequence` of 0, and stands in no feed."""

    kind = "webhook.test"
    endpoint_id: UUID


def _each(parent: type[EventData]) -> Iterator[type[EventData]]:
    for data in parent.__subclasses__():
        if "kind" in vars(data):
            yield data
        yield from _each(data)


EVENTS = {data.kind: data for data in _each(EventData)}
GROUPS = tuple(dict.fromkeys(kind.partition(".")[0] + ANY_OF_A_GROUP for kind in EVENTS))


class Event(BaseModel):
    """One event, as the feed shows it and as webhooks carry it."""

    id: UUID = Field(description="The same wherever and however often it is told")
    type: str
    timestamp: datetime = Field(description="Of the change")
    tenant_id: str
    sequence: int = Field(
        description="Its place among its tenant's events: from 1, without gaps, in the order of commit"
    )
    data: dict[str, Any] = Field(description="By `type`: see the webhooks of the OpenAPI document")


def told(kind: str) -> str:
    """When an event of this kind is written."""
    return " ".join((EVENTS[kind].__doc__ or "").split())


def schema_of(kind: str) -> dict[str, Any]:
    """The JSON schema of a whole event of this kind."""
    schema, data = Event.model_json_schema(), EVENTS[kind].model_json_schema()
    del data["additionalProperties"]  # There may be more of them tomorrow.
    of_kind = {"type": {"const": kind}, "data": data}
    return {**schema, "title": kind, "description": told(kind), "properties": schema["properties"] | of_kind}


def unknown_types(types: Iterable[str]) -> list[str]:
    """Of what events are to be told by, those that are neither a name nor all of a group, as `number.*`."""
    return [one for one in types if one not in EVENTS and one not in GROUPS]
