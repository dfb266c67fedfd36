"""Voice campaigns. Creating one dials; there is no other start."""

from secrets import token_hex
from typing import Any

from service.simulator import dialling
from service.simulator.call import Call
from service.simulator.endpoints import calls
from service.simulator.errors import refusal
from service.simulator.reply import Json, Reply, ok
from service.simulator.state.campaigns import Campaign
from service.simulator.state.clock import parsed, shown
from service.simulator.state.world import World
from service.simulator.steps import Step

_WEEK = 7 * 86_400


async def create(call: Call, world: World) -> Reply:
    """Store a campaign and ring its leads up at once."""
    campaign, invalid = _asked(call, world)
    caller_ids_held = dialling.caller_ids_held(campaign, world)
    if not caller_ids_held and world.switches.campaign_caller_id == "refused":
        raise refusal(400, "agent_outbound_number not found")
    former = world.campaigns.find(call.tenant_id, campaign.campaign_id)
    if former is not None and world.switches.campaign_reuse == "409":
        raise refusal(409, f"Campaign {campaign.campaign_id} already exists")
    if former is not None and world.switches.campaign_reuse == "overwrite":
        world.calls.cancel(call.tenant_id, campaign.campaign_id, world.clock.now())
    world.campaigns.put(campaign)
    await call.reached(Step.recorded)
    dialling.dial(campaign, campaign.leads.split(), world)
    await call.reached(Step.dialled)
    return ok(
        campaign_id=campaign.campaign_id,
        contacts_count=len(campaign.leads.split()),
        invalid_leads_count=invalid,
        campaign_begin_time=shown(campaign.begins_at, "naive", world.switches.time_format),
        campaign_end_time=shown(campaign.ends_at, "naive", world.switches.time_format),
        message="Voice campaign created",
    )


async def list_campaigns(call: Call, world: World) -> Reply:
    """The campaigns of an organisation. Their rows name no phone number, and `created_at` is empty."""
    organization_id = call.text("organization_id")
    if organization_id is None:
        raise refusal(400, "organization_id required")
    if world.switches.strict and call.text("tenant_id") is None:
        raise refusal(400, "tenant_id required")
    found = world.campaigns.of_organization(call.tenant_id, organization_id)
    return ok(count=len(found), campaigns=[_row(campaign, world) for campaign in found])


async def get_campaign(call: Call, world: World) -> Reply:
    """State and progress of a campaign."""
    campaign = _found(call, world)
    progress = dialling.progress(campaign, world)
    return ok(campaign_id=campaign.campaign_id, status=dialling.status(campaign, world), progress=progress)


async def pause(call: Call, world: World) -> Reply:
    """Call nobody further; running calls finish."""
    campaign = _found(call, world)
    _refuse_if_ended(campaign)
    world.calls.cancel(campaign.tenant_id, campaign.campaign_id, world.clock.now())
    return await _moved(call, world, campaign, "paused", "Campaign paused")


async def resume(call: Call, world: World) -> Reply:
    """Ring up those whom the pause spared."""
    campaign = _found(call, world)
    _refuse_if_ended(campaign)
    dialling.dial(campaign, dialling.not_called(campaign, world), world)
    return await _moved(call, world, campaign, "active", "Campaign resumed")


async def end(call: Call, world: World) -> Reply:
    """End a campaign for good."""
    campaign = _found(call, world)
    world.calls.cancel(campaign.tenant_id, campaign.campaign_id, world.clock.now())
    return await _moved(call, world, campaign, "ended", "Campaign ended")


async def delete(call: Call, world: World) -> Reply:
    """Erase a campaign; the history of its calls stays."""
    campaign = _found(call, world)
    world.calls.cancel(campaign.tenant_id, campaign.campaign_id, world.clock.now())
    world.campaigns.delete(campaign.tenant_id, campaign.campaign_id)
    await call.reached(Step.recorded)
    return ok(campaign_id=campaign.campaign_id, message=f"Campaign {campaign.campaign_id} deleted")


async def failed_numbers(call: Call, world: World) -> Reply:
    """Whom the campaign did not reach, as numbers or with reasons."""
    campaign = _found(call, world)
    failures: list[Json] = [
        {
            "phone_number": made.to_number,
            "failure_reason": "voicemail" if made.in_voicemail else "error",
            "call_timestamp": shown(made.started_at, "naive", world.switches.time_format),
            "call_id": made.call_id,
        }
        for made in dialling.begun(campaign, world)
        if made.outcome == "error" or (made.in_voicemail and call.query.get("include_voicemail") != "false")
    ]
    if call.says("include_not_called"):
        failures += [
            {"phone_number": lead, "failure_reason": "not_called", "call_timestamp": None, "call_id": None}
            for lead in dialling.not_called(campaign, world)
        ]
    simple = call.query.get("format", "simple") == "simple"
    shown_failures: list[Any] = [failure["phone_number"] for failure in failures] if simple else failures
    return ok(campaign_id=campaign.campaign_id, count=len(failures), failed_numbers=shown_failures)


async def analytics(call: Call, world: World) -> Reply:
    """Counts of a campaign's calls."""
    campaign = _found(call, world)
    made = dialling.begun(campaign, world)
    failed = sum(one.outcome == "error" for one in made)
    voicemail = sum(bool(one.in_voicemail) for one in made)
    connected = len(made) - failed - voicemail
    return ok(
        campaign_id=campaign.campaign_id,
        total_contacts=len(campaign.leads.split()),
        total_calls=len(made),
        connected_calls=connected,
        failed_calls=failed,
        voicemail_calls=voicemail,
        not_called=len(dialling.not_called(campaign, world)),
        connection_rate=round(connected / len(made), 4) if made else 0.0,
        sentiment_breakdown={"Neutral": connected},
    )


async def list_calls(call: Call, world: World) -> Reply:
    """The calls of a campaign, the running ones too."""
    campaign = _found(call, world)
    rows = [calls.row(made, world) for made in dialling.begun(campaign, world)]
    return ok(campaign_id=campaign.campaign_id, count=len(rows), calls=rows)


def _asked(call: Call, world: World) -> tuple[Campaign, int]:
    """The campaign that a body describes, and how many of its leads have no number."""
    fields, now = call.fields, world.clock.now()
    voice_agent_id, number, leads = call.text("voice_agent_id"), call.text("agent_outbound_number"), fields.get("leads")
    if voice_agent_id is None:
        raise refusal(400, "voice_agent_id required")
    if number is None:
        raise refusal(400, "agent_outbound_number required")
    if not isinstance(leads, list) or not leads:
        raise refusal(400, "leads required")
    required = ("organization_id", "tenant_id", "user_id") if world.switches.strict else ("organization_id",)
    for name in required:
        if call.text(name) is None:
            raise refusal(400, f"{name} required")
    pool = _numbers(fields.get("number_pool") or [])
    valid = _numbers(leads)
    try:
        begins_at = parsed(str(fields["campaign_begin_time"])) if fields.get("campaign_begin_time") else now
        ends_at = parsed(str(fields["campaign_end_time"])) if fields.get("campaign_end_time") else now + _WEEK
    except ValueError as fault:
        raise refusal(400, "campaign_begin_time and campaign_end_time must be ISO 8601") from fault
    campaign = Campaign(
        tenant_id=call.tenant_id,
        campaign_id=call.text("campaign_id") or f"voice_campaign_{token_hex(6)}",
        organization_id=call.text("organization_id"),
        user_id=call.text("user_id"),
        voice_agent_id=voice_agent_id,
        caller_ids=" ".join(pool or [number]),
        leads=" ".join(valid),
        status="active",
        begins_at=max(begins_at, now),
        ends_at=ends_at,
        created_at=now,
    )
    return campaign, len(leads) - len(valid)


def _numbers(items: list[Any]) -> list[str]:
    return [str(item["phone_number"]) for item in items if isinstance(item, dict) and item.get("phone_number")]


def _found(call: Call, world: World) -> Campaign:
    campaign = world.campaigns.find(call.tenant_id, call.path["campaign_id"])
    if campaign is None:
        raise refusal(404, "Campaign not found")
    return campaign


def _refuse_if_ended(campaign: Campaign) -> None:
    if campaign.status == "ended":
        raise refusal(400, "Campaign has ended")


async def _moved(call: Call, world: World, campaign: Campaign, status: str, message: str) -> Reply:
    world.campaigns.set_status(campaign.tenant_id, campaign.campaign_id, status)
    await call.reached(Step.recorded)
    return ok(campaign_id=campaign.campaign_id, message=message)


def _row(campaign: Campaign, world: World) -> Json:
    organization_id = campaign.organization_id
    if world.switches.id_form_campaigns == "uuid":
        organization_id = world.directory.uuid_of_organization(organization_id)
    time_format = world.switches.time_format
    return {
        "campaign_id": campaign.campaign_id,
        "status": dialling.status(campaign, world),
        "voice_agent_id": campaign.voice_agent_id,
        "agent_id": campaign.voice_agent_id,
        "contacts_count": len(campaign.leads.split()),
        "organization_id": organization_id,
        "tenant_id": campaign.tenant_id,
        "campaign_begin_time": shown(campaign.begins_at, "naive", time_format),
        "campaign_end_time": shown(campaign.ends_at, "naive", time_format),
        "created_at": shown(campaign.created_at, "empty", time_format),
    }
