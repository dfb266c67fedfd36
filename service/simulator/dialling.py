"""How a campaign rings people up, and how far it has come."""

from service.simulator import identifiers
from service.simulator.state.calls import PhoneCall
from service.simulator.state.campaigns import Campaign
from service.simulator.state.world import World

CALL_SECONDS = 42.0
"""How long each call of a campaign lasts."""


def dial(campaign: Campaign, leads: list[str], world: World) -> None:
    """Ring each lead up once, rotating the caller ids; from a number that is not held, the calls fail."""
    starts = max(campaign.begins_at, world.clock.now())
    fails = world.switches.campaign_caller_id == "calls_fail" and not caller_ids_held(campaign, world)
    caller_ids = campaign.caller_ids.split()
    world.calls.add(
        *(
            PhoneCall(
                call_id=identifiers.hexadecimal("call"),
                campaign_id=campaign.campaign_id,
                tenant_id=campaign.tenant_id,
                organization_id=campaign.organization_id,
                user_id=campaign.user_id,
                voice_agent_id=campaign.voice_agent_id,
                direction="outbound",
                from_number=caller_ids[turn % len(caller_ids)],
                to_number=lead,
                started_at=starts,
                ended_at=starts if fails else starts + CALL_SECONDS,
                outcome="error" if fails else "ended",
            )
            for turn, lead in enumerate(leads)
        )
    )


def caller_ids_held(campaign: Campaign, world: World) -> bool:
    """Whether the tenant holds every number the campaign calls from, by the carrier's truth."""
    for number in campaign.caller_ids.split():
        purchase = world.carrier.latest(number)
        if purchase is None or purchase.released_at is not None or purchase.tenant_id != campaign.tenant_id:
            return False
    return True


def begun(campaign: Campaign, world: World) -> list[PhoneCall]:
    """The calls that have begun."""
    now = world.clock.now()
    made = world.calls.of_campaign(campaign.tenant_id, campaign.campaign_id)
    return [call for call in made if call.started_at <= now]


def not_called(campaign: Campaign, world: World) -> list[str]:
    """The leads that were not rung up, nor are about to be."""
    planned = {call.to_number for call in world.calls.of_campaign(campaign.tenant_id, campaign.campaign_id)}
    return [lead for lead in campaign.leads.split() if lead not in planned]


def progress(campaign: Campaign, world: World) -> dict[str, int]:
    """Leads in all, with a finished call, and without one."""
    now = world.clock.now()
    finished = {call.to_number for call in begun(campaign, world) if call.ended_at <= now}
    leads = campaign.leads.split()
    completed = sum(lead in finished for lead in leads)
    return {"total": len(leads), "completed": completed, "pending": len(leads) - completed}


def status(campaign: Campaign, world: World) -> str:
    """The stored status, or `completed` once every lead of an active campaign was called."""
    if campaign.status == "active" and progress(campaign, world)["pending"] == 0:
        return "completed"
    return campaign.status
