"""Calls, as Teli's own store tells of them: late, ended ones first, a hundred at most."""

from service.simulator import identifiers
from service.simulator.call import Call
from service.simulator.errors import refusal
from service.simulator.reply import Json, Reply, ok
from service.simulator.state.calls import PhoneCall
from service.simulator.state.clock import epoch, parsed, shown
from service.simulator.state.world import World

_MOST = 100


async def list_calls(call: Call, world: World) -> Reply:
    """Calls of an organisation or of one user, newest first."""
    organization_id, user_id = call.text("organization_id"), call.text("user_id")
    if organization_id is None:
        raise refusal(400, "organization_id required")
    if user_id is None and not call.says("is_admin"):
        raise refusal(400, "user_id required")
    now = world.clock.now()
    try:
        start, end = parsed(call.text("start_date") or "1970-01-01"), parsed(call.text("end_date") or "9999-12-31")
        limit = min(int(call.text("limit") or 50), _MOST)
    except ValueError as fault:
        raise refusal(400, "start_date, end_date or limit is malformed") from fault

    wanted = call.query.get("call_status", "ended")
    found = [
        made
        for made in world.calls.of_organization(call.tenant_id, organization_id, start, min(end, now))
        if made.status(now) == wanted
        and (wanted == "ongoing" or made.ended_at + world.switches.call_lag_seconds <= now)
        and (call.says("is_admin") or made.user_id == user_id)
        and call.query.get("direction") in (None, made.direction)
        and _is_of_agent(made, call, world)
    ][:limit]
    return ok(count=len(found), calls=[row(made, world) for made in found])


async def get_call(call: Call, world: World) -> Reply:
    """One call, with its two numbers."""
    made = world.calls.find(call.tenant_id, call.path["call_id"])
    if made is None or made.started_at > world.clock.now():
        raise refusal(404, "Call not found")
    return ok(call={**row(made, world), "from_number": made.from_number, "to_number": made.to_number})


def row(made: PhoneCall, world: World) -> Json:
    """A call as listings show it; the numbers only where the switch `call_rows_have_numbers` says so."""
    switches, now = world.switches, world.clock.now()
    organization_id, user_id = made.organization_id, made.user_id
    if switches.id_form_calls == "uuid":
        organization_id = world.directory.uuid_of_organization(made.organization_id)
        user = world.directory.user(made.user_id) if made.user_id else None
        user_id = user.id if user else made.user_id
    ended = made.ended_at <= now
    agent = world.agents.find(made.tenant_id, made.voice_agent_id) if made.voice_agent_id else None
    numbers = {"from_number": made.from_number, "to_number": made.to_number} if switches.call_rows_have_numbers else {}
    return {
        "call_id": made.call_id,
        "voice_agent_id": made.voice_agent_id,
        "agent_id": agent.id if agent else made.voice_agent_id and identifiers.uuid_of(made.voice_agent_id),
        "organization_id": organization_id,
        "user_id": user_id,
        "tenant_id": made.tenant_id,
        "start_timestamp": epoch(made.started_at),
        "end_timestamp": epoch(made.ended_at) if ended else None,
        "call_status": made.status(now),
        "direction": made.direction,
        "user_sentiment": "Neutral" if ended else None,
        "call_successful": made.outcome == "ended" if ended else None,
        "in_voicemail": bool(made.in_voicemail),
        "recording_url": None,
        "recording_s3_key": None,
        "recording_downloaded_at": None,
        "call_started_at": shown(made.started_at, "naive", switches.time_format),
        "call_ended_at": shown(made.ended_at if ended else None, "naive", switches.time_format),
        "call_analyzed_at": shown(made.ended_at if ended else None, "naive", switches.time_format),
        "created_at": shown(made.started_at, "naive", switches.time_format),
        "updated_at": shown(made.ended_at if ended else made.started_at, "naive", switches.time_format),
        **numbers,
    }


def _is_of_agent(made: PhoneCall, call: Call, world: World) -> bool:
    wanted = call.query.get("agent_id")
    if wanted is None or wanted == made.voice_agent_id:
        return True
    agent = world.agents.find(call.tenant_id, wanted)
    return agent is not None and agent.voice_agent_id == made.voice_agent_id
