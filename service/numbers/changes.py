"""Changing a number's nickname and agents: the ledger first, then Teli, for as long as it takes.

What is wanted is committed before Teli hears of it; a push makes Teli's row equal to what is wanted now. It is
harmless to repeat, so an unknown outcome is simply tried again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.agents.models import AgentLink
from service.audit.entries import note
from service.db import Database
from service.kit.errors import NotFound
from service.kit.phone import E164
from service.kit.types import TenantId
from service.numbers.confirm import Confirmation
from service.numbers.errors import StateConflict
from service.numbers.models import Number, Step
from service.numbers.steps import Done, Later, owe
from service.outbox.events import record
from service.teli.client import TeliClient
from service.teli.heard import Heard
from service.tenants.principals import Principal

DIRECTIONS = ("inbound", "outbound")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a number. Only the members named in `given` count; null clears."""

    given: frozenset[str]
    nickname: str | None = None
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None

    def named(self) -> dict[str, str | None]:
        return {name: getattr(self, name) for name in sorted(self.given)}


async def number_of(session: AsyncSession, tenant: TenantId, phone_number: E164) -> Number:
    """The tenant's live acquisition of this E.164, locked.

    Raises: NotFound, also for what belongs to another tenant.
    """
    found = await session.scalar(
        select(Number)
        .where(Number.tenant_id == tenant, Number.phone_number == phone_number, Number.state != "released")
        .with_for_update()
    )
    if found is None:
        raise NotFound
    return found


class Changes:
    def __init__(self, database: Database, teli: TeliClient, confirmation: Confirmation) -> None:
        self._database = database
        self._teli = teli
        self._confirmation = confirmation

    async def want(self, caller: Principal, phone_number: E164, change: Change, *, request_id: str) -> UUID:
        """Commit what is wanted. Returns the push step's id, which is the operation.

        Raises: NotFound; StateConflict for a number that is being released.
        """
        async with self._database.acting(tenant=caller.tenant) as session:
            number = await number_of(session, caller.tenant, phone_number)
            if number.state not in ("active", "release_scheduled"):
                raise StateConflict(f"This number is {number.state}; it can no longer be changed.")
            before = await self._as_it_stands(session, number)
            if "nickname" in change.given:
                number.nickname = change.nickname
            for direction in DIRECTIONS:
                if f"{direction}_agent_id" in change.given:
                    await self._want_agent(session, number, direction, getattr(change, f"{direction}_agent_id"))
            step_id = await owe(session, caller.tenant, number.id, "push")
            after = change.named()
            note(
                session,
                actor=caller.actor,
                action="number.changed",
                of=("number", str(number.id)),
                tenant=caller.tenant,
                before={name: before[name] for name in after},
                after=after,
                request_id=request_id,
            )
            await record(session, caller.tenant, "number.changed", number_id=number.id, **after)
        return step_id

    async def _want_agent(self, session: AsyncSession, number: Number, direction: str, agent: str | None) -> None:
        wanted = {"desired": agent, "state": "pending", "updated_at": func.clock_timestamp()}
        await session.execute(
            insert(AgentLink)
            .values(number_id=number.id, direction=direction, tenant_id=number.tenant_id, **wanted)
            .on_conflict_do_update(index_elements=["number_id", "direction"], set_=wanted)
        )

    async def _as_it_stands(self, session: AsyncSession, number: Number) -> dict[str, str | None]:
        links = await self._links(session, number.id)
        return {
            "nickname": number.nickname,
            **{f"{one}_agent_id": links[one].desired if one in links else None for one in DIRECTIONS},
        }

    async def _links(self, session: AsyncSession, number_id: UUID) -> dict[str, AgentLink]:
        found = await session.scalars(select(AgentLink).where(AgentLink.number_id == number_id))
        return {link.direction: link for link in found}

    async def push(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `push` step: send Teli what differs from what it last confirmed."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
            links = await self._links(session, number.id)
        if number.state == "released":
            return Done("released meanwhile", state="failed")
        body = _difference(number, links)
        if not body:
            return Done("nothing differs", answer=_answer(number, links, None))
        heard = await self._teli.update_agent(number.phone_number, body)
        if heard.kind != "answer" or heard.status is None or heard.status in (401, 403, 404, 408, 429):
            return Later(heard.detail or f"status {heard.status}")
        if 200 <= heard.status < 300 and heard.object().get("success") is not False:
            await self._confirmed(number, body, tenant)
            return Done("confirmed", answer=_answer(number, links, heard))
        if heard.status in (400, 422):
            await self._refused(number, body, tenant)
            said = heard.object()
            detail = str(said.get("message") or said.get("error") or "nothing")[:500]
            return Done("refused", state="failed", answer={"status": 502, "said": detail})
        return Later(f"status {heard.status}")

    async def _confirmed(self, number: Number, body: Mapping[str, str], tenant: TenantId | None) -> None:
        async with self._database.acting(tenant=tenant) as session:
            if "nickname" in body:
                await session.execute(
                    update(Number).where(Number.id == number.id).values(upstream_nickname=body["nickname"])
                )
            for direction in DIRECTIONS:
                if (agent := body.get(f"{direction}_agent_id")) is not None:
                    # Only what was sent is confirmed: something else may be wanted by now.
                    await session.execute(
                        update(AgentLink)
                        .where(
                            AgentLink.number_id == number.id,
                            AgentLink.direction == direction,
                            func.coalesce(AgentLink.desired, "") == agent,
                        )
                        .values(confirmed=agent or None, state="confirmed", updated_at=func.clock_timestamp())
                    )

    async def _refused(self, number: Number, body: Mapping[str, str], tenant: TenantId | None) -> None:
        async with self._database.acting(tenant=tenant) as session:
            for direction in DIRECTIONS:
                if (agent := body.get(f"{direction}_agent_id")) is not None:
                    await session.execute(
                        update(AgentLink)
                        .where(
                            AgentLink.number_id == number.id,
                            AgentLink.direction == direction,
                            func.coalesce(AgentLink.desired, "") == agent,
                        )
                        .values(state="refused", updated_at=func.clock_timestamp())
                    )

    async def unmark(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `unmark` step: take the mark off, on that very row, once no restore could need it any more."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
        if number.state in ("released", "releasing") or not number.marked:
            return Done("nothing to take off")
        sighting = await self._confirmation.look(number, tenant)
        if sighting is None:
            return Later("its row is not listed")
        heard: Heard | None = None
        if sighting.marked:
            heard = await self._teli.update_agent(number.phone_number, {"nickname": number.nickname or ""})
            if heard.kind != "answer" or heard.status is None or not 200 <= heard.status < 300:
                return Later(heard.detail or f"status {heard.status}")
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(
                update(Number)
                .where(Number.id == number.id)
                .values(marked=False, upstream_nickname=number.nickname or "")
            )
        return Done("mark taken off" if heard else "mark was gone")


def _difference(number: Number, links: Mapping[str, AgentLink]) -> dict[str, str]:
    """What to send: an empty string clears, as Teli has it."""
    wanted = ((number.mark if number.marked else "") + (number.nickname or "")).rstrip()
    body = {} if wanted == (number.upstream_nickname or "") else {"nickname": wanted}
    for direction, link in links.items():
        if link.state == "pending":
            body[f"{direction}_agent_id"] = link.desired or ""
    return body


def _answer(number: Number, links: Mapping[str, AgentLink], heard: Heard | None) -> dict[str, Any]:
    """Teli's shape, without the mark."""
    return {
        "status": 200,
        "body": orjson.dumps(
            {
                "success": True,
                "phone_number": number.phone_number,
                "message": str((heard.object() if heard else {}).get("message") or "Phone number updated")[:200],
                **{f"{one}_agent_id": link.desired for one, link in sorted(links.items())},
                "nickname": number.nickname,
                "powered_by": "Teli",
                "id": str(number.id),
                "state": number.state,
            }
        ).decode(),
    }
