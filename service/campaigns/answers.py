"""What a caller is told of a campaign: Teli's body, and beside it our ids. Pure."""

from typing import Any

import orjson

from service.campaigns.models import Campaign
from service.kit.errors import ServiceError, StateConflict
from service.numbers.errors import UpstreamRefused
from service.numbers.purchases import OperationState
from service.teli.campaigns import NotCreated
from service.teli.errors import UpstreamUnavailable

NOTHING = "no campaign was created"


def created(campaign: Campaign, told: dict[str, Any]) -> dict[str, Any]:
    """The answer of a create, to be kept: {status, body}. `told`: Teli's members, as far as they were heard."""
    body = {
        "success": True,
        "campaign_id": campaign.campaign_id,
        "contacts_count": campaign.leads - campaign.invalid_leads,
        "invalid_leads_count": campaign.invalid_leads,
        "campaign_begin_time": campaign.begins,
        "campaign_end_time": campaign.ends,
        "message": "Voice campaign created",
        **told,
        "powered_by": "Teli",
        "id": str(campaign.id),
        "state": "running",
        "operation_id": str(campaign.id),
    }
    if campaign.warnings:
        body["warnings"] = campaign.warnings
    return {"status": 200, "body": orjson.dumps(body).decode()}


def refusal(refused: NotCreated) -> ServiceError:
    """What the caller is told of a refusal, and whether asking again helps."""
    match refused.reason:
        case "bad_request":
            return UpstreamRefused(refused.said, nothing=NOTHING)
        case "taken":
            return taken()
        case _:
            return UpstreamUnavailable(f"Teli cannot be used just now; {NOTHING}.")


def taken() -> StateConflict:
    """Whose it is, is not told."""
    return StateConflict(
        "This campaign_id is in use at Teli; nothing was sent. Choose another, which nobody else uses."
    )


def otherwise() -> StateConflict:
    return StateConflict(
        "A campaign of this campaign_id was asked for before, with another body; nothing was sent. "
        "Send that body to get its answer, or choose another campaign_id."
    )


def operation_state(campaign: Campaign) -> OperationState:
    if campaign.state in ("sending", "doubtful"):
        return "pending"
    return "failed" if campaign.state == "refused" else "succeeded"


def operation(campaign: Campaign) -> dict[str, Any]:
    """As `GET /v1/operations/{id}` tells it."""
    state = operation_state(campaign)
    body = orjson.loads(campaign.answer["body"]) if campaign.answer else None
    return {
        "id": campaign.id,
        "kind": "campaign",
        "state": state,
        "created_at": campaign.created_at,
        "ended_at": campaign.decided_at,
        "number_id": None,
        "result": body if state == "succeeded" else None,
        "problem": body if state == "failed" else None,
    }
