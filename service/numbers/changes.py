"""Changing a number's nickname and agents: the ledger first, then Teli, for as long as it takes.

What is wanted is committed before Teli hears of it; a push makes Teli's row equal to what is wanted now. It is
harmless to repeat, so an unknown outcome is simply tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.agents.models import AgentLink
from service.audit.entries import note
from service.db import Database
from service.http.problems import problem_body
from service.kit.errors import NotFound, ServiceError
from service.kit.phone import E164
from service.kit.types import TenantId
from service.numbers.confirm import WORKER, Confirmation
from service.numbers.errors import StateConflict, UpstreamRefused
from service.numbers.marks import mark_of
from service.numbers.models import Number, Step
from service.numbers.steps import LOST, Done, Later, about_to_send, owe
from service.observability.metrics import ALARMS
from service.outbox.events import record
from service.teli.client import TeliClient
from service.teli.heard import Heard
from service.tenants.principals import Principal

DIRECTIONS = ("inbound", "outbound")
CHANGEABLE = ("active", "release_scheduled")
# With the pauses between tries, some minutes.
NOT_FOUND_TRIES = 9
log = structlog.get_logger()


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
            if number.state not in CHANGEABLE:
                raise StateConflict(f"This number is {number.state}; it can no longer be changed.")
            links = await self._links(session, number.id)
            before = _wanted(number, links)
            after: dict[str, Any] = change.named()
            if "nickname" in change.given:
                number.nickname = change.nickname
            for direction in DIRECTIONS:
                if f"{direction}_agent_id" in change.given:
                    await self._want_agent(session, number, direction, after[f"{direction}_agent_id"])
            step_id = await owe(
                session,
                caller.tenant,
                number.id,
                "push",
                actor=caller.actor,
                request_id=request_id,
                given=sorted(change.given),
            )
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

    async def _links(self, session: AsyncSession, number_id: UUID) -> dict[str, AgentLink]:
        found = await session.scalars(select(AgentLink).where(AgentLink.number_id == number_id))
        return {link.direction: link for link in found}

    async def push(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `push` step: send Teli what differs from what it last confirmed, of the members the step is about."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
            links = await self._links(session, number.id)
        if number.state not in CHANGEABLE:
            return _failed(step, StateConflict(f"This number is {number.state}; Teli was not told of the change."))
        body = _difference(number, links, step.given or ())
        if not body:
            if any(f"{one}_agent_id" in (step.given or ()) and links[one].state == "refused" for one in links):
                return _failed(step, UpstreamRefused("that it refuses this agent", nothing="nothing was changed"))
            return Done("nothing differs", answer=_answer(step, number, links, None))
        send_by = await about_to_send(self._database, step, tenant)
        if send_by is None:
            return LOST
        heard = await self._teli.update_agent(number.phone_number, body, send_by=send_by)
        if heard.kind != "answer" or heard.status is None:
            return Later(heard.detail or "broken")
        if took_effect(heard):
            await self._confirmed(number, body, tenant)
            return Done("confirmed", answer=_answer(step, number, links, heard))
        said = heard.object()
        words = str(said.get("message") or said.get("error") or "nothing")[:500]
        if heard.status in (400, 422):
            await self._refused(step, number, body, words, tenant)
            return _failed(step, UpstreamRefused(words, nothing="nothing was changed"))
        if heard.status == 404 and step.tries >= NOT_FOUND_TRIES:
            # No row of ours there, or no such agent. A row may be late, so this is believed only after some minutes.
            ALARMS.labels("change_not_found").inc()
            log.error("a change is answered 404 again and again", number=str(number.id), said=words)
            return Done("unknown at Teli", state="unresolved")
        return Later(f"status {heard.status}")

    async def _confirmed(self, number: Number, body: Mapping[str, str], tenant: TenantId | None) -> None:
        async with self._database.acting(tenant=tenant) as session:
            if "nickname" in body:
                await session.execute(
                    update(Number).where(Number.id == number.id).values(upstream_nickname=body["nickname"])
                )
            await self._mark_links(session, number, body, state="confirmed")

    async def _refused(
        self, step: Step, number: Number, body: Mapping[str, str], said: str, tenant: TenantId | None
    ) -> None:
        """What Teli will not have is wanted no longer: the nickname is again what Teli has, the link says refused."""
        async with self._database.acting(tenant=tenant) as session:
            if "nickname" in body:
                has = number.upstream_nickname or ""
                kept = has[len(number.mark.rstrip()) :].lstrip() if mark_of(has) == number.mark else has
                await session.execute(
                    update(Number)
                    .where(Number.id == number.id, func.coalesce(Number.nickname, "") == (number.nickname or ""))
                    .values(nickname=kept or None)
                )
            await self._mark_links(session, number, body, state="refused")
            note(
                session,
                actor=step.actor or WORKER,
                action="number.change_refused",
                of=("number", str(number.id)),
                tenant=number.tenant_id,
                after={"refused": sorted(body), "said": said},
                request_id=step.request_id,
            )
            await record(
                session, number.tenant_id, "number.change_refused", number_id=number.id, refused=sorted(body), said=said
            )

    async def _mark_links(self, session: AsyncSession, number: Number, body: Mapping[str, str], *, state: str) -> None:
        """Only what was sent is confirmed or refused: something else may be wanted by now."""
        for direction in DIRECTIONS:
            if (agent := body.get(f"{direction}_agent_id")) is not None:
                confirmed = {"confirmed": agent or None} if state == "confirmed" else {}
                await session.execute(
                    update(AgentLink)
                    .where(
                        AgentLink.number_id == number.id,
                        AgentLink.direction == direction,
                        func.coalesce(AgentLink.desired, "") == agent,
                    )
                    .values(state=state, updated_at=func.clock_timestamp(), **confirmed)
                )

    async def unmark(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `unmark` step: take the mark off, on that very row, once no restore could need it any more."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
        if number.state not in CHANGEABLE or not number.marked:
            return Done("nothing to take off")
        listing = await self._confirmation.listing(number, whole=False)
        row = next((row for row in (listing.rows if listing else ()) if row.row_id == number.upstream_row_id), None)
        if row is None:
            return Later("its row is not listed")
        if mark_of(row.nickname) != number.mark:
            await self._unmarked(step, number, row.nickname or "", tenant)
            return Done("mark was gone")
        async with self._database.acting(tenant=tenant) as session:
            nickname = (await session.get_one(Number, step.number_id)).nickname or ""
        send_by = await about_to_send(self._database, step, tenant)
        if send_by is None:
            return LOST
        heard = await self._teli.update_agent(number.phone_number, {"nickname": nickname}, send_by=send_by)
        if took_effect(heard):
            await self._unmarked(step, number, nickname, tenant)
            return Done("mark taken off")
        if heard.status in (400, 422):
            log.warning("a mark cannot be taken off", number=str(number.id), status=heard.status)
            return Done("refused", state="failed")
        return Later(heard.detail or f"status {heard.status}")

    async def _unmarked(self, step: Step, number: Number, has: str, tenant: TenantId | None) -> None:
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(
                update(Number).where(Number.id == number.id).values(marked=False, upstream_nickname=has)
            )
            note(
                session,
                actor=WORKER,
                action="number.unmarked",
                of=("number", str(number.id)),
                tenant=number.tenant_id,
                before={"marked": True},
                after={"marked": False},
                request_id=step.request_id,
            )
            await record(session, number.tenant_id, "number.unmarked", number_id=number.id)


def took_effect(heard: Heard) -> bool:
    """Whether Teli says in so many words that it did what it was asked. A page of a proxy says nothing."""
    body = heard.object()
    return (
        heard.kind == "answer" and 200 <= (heard.status or 0) < 300 and bool(body) and body.get("success") is not False
    )


def _wanted(number: Number, links: Mapping[str, AgentLink]) -> dict[str, str | None]:
    agents = {f"{one}_agent_id": links[one].desired if one in links else None for one in DIRECTIONS}
    return {"nickname": number.nickname, **agents}


def _difference(number: Number, links: Mapping[str, AgentLink], given: Sequence[str]) -> dict[str, str]:
    """What to send: an empty string clears, as Teli has it. Until the mark is taken off, every nickname keeps it."""
    body = {}
    wanted = ((number.mark if number.marked else "") + (number.nickname or "")).rstrip()
    if "nickname" in given and wanted != (number.upstream_nickname or ""):
        body["nickname"] = wanted
    for direction, link in links.items():
        if f"{direction}_agent_id" in given and link.state == "pending":
            body[f"{direction}_agent_id"] = link.desired or ""
    return body


def _answer(step: Step, number: Number, links: Mapping[str, AgentLink], heard: Heard | None) -> dict[str, Any]:
    """Teli's shape, with the members that were given, and the nickname without its mark."""
    wanted = _wanted(number, links)
    body = {
        "success": True,
        "phone_number": number.phone_number,
        "message": str((heard.object() if heard else {}).get("message") or "Phone number updated")[:200],
        **{name: wanted[name] for name in step.given or ()},
        "powered_by": "Teli",
        "id": str(number.id),
        "state": number.state,
        "operation_id": str(step.id),
    }
    return {"status": 200, "body": orjson.dumps(body).decode()}


def _failed(step: Step, error: ServiceError) -> Done:
    """The step ends as a problem, in the words the caller gets, now or from the operation."""
    body = problem_body(error, step.request_id or str(step.id)).decode()
    return Done(error.code, state="failed", answer={"status": error.status, "body": body})
