"""Numbers that are there: list, link and rename, release."""

from dataclasses import replace
from typing import Any

from service.simulator import nanp, trade
from service.simulator.call import Call
from service.simulator.errors import Refusal, refusal
from service.simulator.reply import Json, Reply, ok
from service.simulator.state.clock import shown
from service.simulator.state.records import Record
from service.simulator.state.world import World
from service.simulator.steps import Step

_LINKS = ("inbound_agent_id", "outbound_agent_id")


async def list_numbers(call: Call, world: World) -> Reply:
    """The numbers of one user, or of the whole organisation to whoever says `is_admin`."""
    organization_id, user_id = call.text("organization_id"), call.text("user_id")
    if organization_id is None:
        raise refusal(400, "organization_id required")
    if user_id is None and (world.switches.strict or not call.says("is_admin")):
        raise refusal(400, "user_id required")
    records = _listed(call, world, organization_id, None if call.says("is_admin") else user_id, call.text("phone_type"))
    return ok(count=len(records), phone_numbers=_rows(records, organization_id, world))


async def list_sms(call: Call, world: World) -> Reply:
    """The SMS numbers of an organisation, in the shape of their own page."""
    organization_id = call.text("organization_id")
    if organization_id is None:
        raise refusal(400, "organization_id required")
    records = _listed(call, world, organization_id, None, "sms")
    rows = [
        {
            "id": record.id,
            "phone_number": record.phone_number,
            "pretty_phone_number": nanp.pretty(record.phone_number),
            "nickname": record.nickname,
            "is_available": record.user_id is None,
            "assigned_to": None if record.user_id is None else {"user_id": record.user_id},
            "assigned_at": None,
            "created_at": shown(record.created_at, "naive", world.switches.time_format),
        }
        for record in records
    ]
    return ok(count=len(rows), phone_numbers=rows)


async def update_agent(call: Call, world: World) -> Reply:
    """Link agents and rename. Absent keeps, null and "" clear."""
    record = _held(call, world)
    changes: dict[str, Any] = {name: call.fields[name] or None for name in (*_LINKS, "nickname") if name in call.fields}
    if not changes:
        raise refusal(400, "inbound_agent_id, outbound_agent_id or nickname required")
    if record.phone_type == "sms" and world.switches.sms_number_update == "refused":
        raise refusal(400, "Not a voice number")
    for name in _LINKS:
        if (agent_id := changes.get(name)) and not _linkable(call, world, agent_id):
            raise refusal(400, f"{name}: agent not found")
    if "nickname" in changes:
        changes["nickname"] = trade.stored_nickname(changes["nickname"], world.switches)
    world.records.change(replace(record, **changes))
    await call.reached(Step.recorded)
    return ok(phone_number=record.phone_number, message="Phone number updated", **changes)


async def release(call: Call, world: World) -> Reply:
    """Give a number back, or finish what an earlier release began. The E.164 alone says which."""
    number = call.path["phone_number"]
    record = world.records.latest(number, call.tenant_id)
    if record is None:
        raise _not_found()
    if record.phone_type != "voice":
        raise refusal(400, "Not a voice phone number")
    if record.deleted_at is not None:
        released_at = shown(record.deleted_at, "zulu", world.switches.time_format)
        return ok(phone_number=number, released_at=released_at, already_released=True)

    world.provider.unlink(record.purchase_id)
    await call.reached(Step.unlinked)
    trade.give_back(world, record.purchase_id, number, by="api")
    await call.reached(Step.returned)
    trade.remove(world, record.purchase_id)
    await call.reached(Step.removed)
    return ok(
        phone_number=number,
        released_at=shown(world.clock.now(), "zulu", world.switches.time_format),
        billing_stopped=True,
        message="Phone number released. You will not be billed in the next cycle.",
    )


def _listed(
    call: Call, world: World, organization_id: str, user_id: str | None, phone_type: str | None
) -> list[Record]:
    now = world.clock.now()
    return world.records.listed(
        tenant_id=call.tenant_id,
        organization_id=organization_id,
        user_id=user_id,
        phone_type=phone_type or "voice",
        created_before=now - world.switches.list_lag_seconds,
        removed_after=now - world.switches.removal_lag_seconds,
        now=now,
    )


def _rows(records: list[Record], organization_id: str, world: World) -> list[Json]:
    uuids: dict[str, str] = {}
    shown_organization: str | None = organization_id
    if world.switches.id_form_numbers == "uuid":
        uuids = world.directory.uuids_of_users(organization_id)
        shown_organization = world.directory.uuid_of_organization(organization_id)
    time_format = world.switches.time_format
    agents = _agents_as_shown(records, world)
    return [
        {
            "phone_number": record.phone_number,
            "pretty_phone_number": nanp.pretty(record.phone_number),
            "id": record.id,
            "area_code": nanp.area_code_of(record.phone_number),
            "phone_type": record.phone_type,
            "provider": "teli_voice",
            "user_id": uuids.get(record.user_id, record.user_id) if record.user_id else None,
            "organization_id": shown_organization,
            "tenant_id": record.tenant_id,
            "outbound_agent_id": agents.get(record.outbound_agent_id, record.outbound_agent_id),
            "inbound_agent_id": agents.get(record.inbound_agent_id, record.inbound_agent_id),
            "nickname": record.nickname,
            "location": None,
            "accessible_by": [],
            "stripe_subscription_id": None,
            "zapier": False,
            "created_at": shown(record.created_at, "naive", time_format),
        }
        for record in records
    ]


def _agents_as_shown(records: list[Record], world: World) -> dict[str | None, str]:
    """By any of its ids, the one id of each known agent that rows show."""
    form = world.switches.agent_id_form_numbers
    if form == "as_linked":
        return {}
    agents = [one for tenant in {record.tenant_id for record in records} for one in world.agents.all(tenant)]
    return {
        any_id: getattr(agent, form)
        for agent in agents
        for any_id in (agent.id, agent.agent_id, agent.unique_id, agent.voice_agent_id)
    }


def _held(call: Call, world: World) -> Record:
    record = world.records.latest(call.path["phone_number"], call.tenant_id)
    if record is None or record.deleted_at is not None:
        raise _not_found()
    return record


def _linkable(call: Call, world: World, agent_id: str) -> bool:
    demanded = world.switches.agent_ids
    if demanded == "any":
        return True
    agent = world.agents.find(call.tenant_id, agent_id)
    return agent is not None and (demanded == "known" or getattr(agent, demanded) == agent_id)


def _not_found() -> Refusal:
    """The same for a number that does not exist and for another tenant's, as Teli's page promises."""
    return refusal(404, "Phone number not found")
