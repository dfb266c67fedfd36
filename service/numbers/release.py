"""Giving a number back, with the same care as buying one.

Teli's DELETE names only the E.164. A late or repeated one could hit a number that was given out anew, so a DELETE is
never repeated before the row id that was meant has been seen again, alone under its E.164, and after an unknown
outcome not before a settling window has passed. Where that cannot be seen the release is unresolved: a person decides.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import orjson
import structlog
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import NotFound
from service.kit.phone import E164
from service.kit.types import TenantId
from service.numbers.confirm import WORKER, Confirmation
from service.numbers.errors import released_before
from service.numbers.models import Number, Step
from service.numbers.steps import LOST, Done, Later, about_to_send, owe, still_held
from service.observability.metrics import ALARMS
from service.outbox.events import record
from service.quotas.counting import count_held
from service.teli.client import TeliClient
from service.teli.heard import Heard
from service.tenants.principals import Principal

LATE_RETRY = timedelta(days=7)
LOOKS = 3
LONGEST_BETWEEN_LOOKS = 60.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Releasing:
    """The release is committed and owed; the step is the operation."""

    step_id: UUID


@dataclass(frozen=True, slots=True)
class AlreadyReleased:
    number_id: UUID
    released_at: datetime


class Release:
    def __init__(
        self, database: Database, teli: TeliClient, confirmation: Confirmation, *, settling_window: float
    ) -> None:
        self._database = database
        self._teli = teli
        self._confirmation = confirmation
        self._settling_window = settling_window

    async def begin(
        self, caller: Principal, phone_number: E164, *, acquisition: UUID | None, request_id: str
    ) -> Releasing | AlreadyReleased:
        """Commit that this number is to be released; asking again changes nothing.

        Raises: NotFound; StateConflict where an earlier acquisition may be meant.
        """
        async with self._database.acting(tenant=caller.tenant) as session:
            held = (
                await session.scalars(
                    select(Number)
                    .where(Number.tenant_id == caller.tenant, Number.phone_number == phone_number)
                    .order_by(Number.acquired_at.desc())
                    .with_for_update()
                )
            ).all()
            number = _meant(list(held), acquisition)
            if number.state == "released":
                assert number.released_at is not None
                return AlreadyReleased(number.id, number.released_at)
            if number.state == "releasing":
                under_way = await session.scalars(
                    select(Step.id)
                    .where(Step.number_id == number.id, Step.kind == "release")
                    .order_by(Step.created_at.desc())
                    .limit(1)
                )
                return Releasing(under_way.one())
            was, number.state = number.state, "releasing"
            step_id = await owe(session, caller.tenant, number.id, "release", actor=caller.actor, request_id=request_id)
            note(
                session,
                actor=caller.actor,
                action="number.releasing",
                of=("number", str(number.id)),
                tenant=caller.tenant,
                before={"state": was},
                after={"state": "releasing"},
                request_id=request_id,
            )
            await record(session, caller.tenant, "number.releasing", number_id=number.id)
        return Releasing(step_id)

    async def perform(self, step: Step, tenant: TenantId | None = None) -> Done | Later:
        """The `release` step. The worker always looks first; only the request itself, at its one try, need not."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
        if number.state == "released":
            return Done("released before", answer=_answer(step, number, number.released_at or utc_now(), again=False))
        if step.sent_at is not None:
            left = (step.sent_at - utc_now()).total_seconds() + self._settling_window
            if left > 0:
                return Later("unknown", after=left)
        if number.confirmed_at is None:
            if not await self._confirmation.confirm(number, tenant, request_id=step.request_id):
                return Later("not listed yet")
        elif tenant is None:
            match await self._look(number):
                case "there":
                    pass
                case "not to be told":
                    return Later("no listing to be had", found=step.answer)
                case "gone":
                    return await self._gone(step, number)
                case "given out anew":
                    return await self._unresolved(step, number, "its E.164 is listed under another row id", None)
        send_by = await about_to_send(self._database, step, tenant, sent_at=func.clock_timestamp())
        if send_by is None:
            return LOST
        heard = await self._teli.release(number.phone_number, send_by=send_by)
        return await self._read(step, number, heard, tenant)

    async def _look(self, number: Number) -> Literal["there", "gone", "given out anew", "not to be told"]:
        """Whether the row that is meant, and no other of its E.164, is listed in its organisation."""
        listing = await self._confirmation.listing(number, whole=True)
        if listing is None:
            return "not to be told"
        rows = {row.row_id for row in listing.rows if row.phone_number == number.phone_number}
        async with self._database.acting() as session:
            earlier = await session.scalars(
                select(Number.upstream_row_id).where(
                    Number.account_id == number.account_id,
                    Number.phone_number == number.phone_number,
                    Number.acquired_at < number.acquired_at,
                )
            )
        # A row of an acquisition before this one is only slow to vanish.
        if rows - {number.upstream_row_id} - set(earlier):
            return "given out anew"
        if number.upstream_row_id in rows:
            return "there"
        return "gone" if listing.complete else "not to be told"

    async def _gone(self, step: Step, number: Number) -> Done | Later:
        """One listing may leave a row out; after several the row id cannot be checked, and nothing is sent any more."""
        looks = 1 + int((step.answer or {}).get("looks", 0))
        if looks >= LOOKS:
            return await self._unresolved(step, number, "its row is listed no more", None)
        between = min(LONGEST_BETWEEN_LOOKS, self._settling_window / LOOKS)
        return Later("its row is not listed", after=between, found={"looks": looks})

    async def _read(self, step: Step, number: Number, heard: Heard, tenant: TenantId | None) -> Done | Later:
        if heard.kind == "never_sent":
            return await self._not_released(step, heard.detail or "never sent", tenant)
        if heard.kind != "answer" or heard.status is None:
            return Later("unknown")
        body = heard.object()
        again = body.get("already_released") is True
        if heard.status == 200 and (again or body.get("success") is True):
            released_at = await self._released(step, number, tenant)
            return Done("released", answer=_answer(step, number, released_at, again=again))
        if heard.status == 502 and body.get("failed") in ("voice_provider", "voice_carrier"):
            return await self._not_released(step, f"failed at {body['failed']}", tenant)
        if heard.status in (401, 403, 429):
            return await self._not_released(step, f"status {heard.status}", tenant)
        if heard.status in (400, 404):
            # 404: gone, somebody else's, or the wrong key. No proof of a release.
            return await self._unresolved(step, number, f"answered {heard.status}", tenant)
        return Later("unknown")

    async def _not_released(self, step: Step, why: str, tenant: TenantId | None) -> Later:
        """Teli said, or the line proves, that the number is not released: there is nothing to settle."""
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(update(Step).where(still_held(step)).values(sent_at=None))
        return Later(why)

    async def _unresolved(self, step: Step, number: Number, why: str, tenant: TenantId | None) -> Done:
        """The number stays `releasing`, its quota held, until a person decides."""
        ALARMS.labels("release_unresolved").inc()
        log.error("a release is unresolved", number=str(number.id), why=why)
        async with self._database.acting(tenant=tenant) as session:
            note(
                session,
                actor=WORKER,
                action="number.release_unresolved",
                of=("number", str(number.id)),
                tenant=number.tenant_id,
                after={"why": why},
                request_id=step.request_id,
            )
            await record(session, number.tenant_id, "number.release_unresolved", number_id=number.id, why=why)
        return Done(why, state="unresolved")

    async def _released(self, step: Step, number: Number, tenant: TenantId | None) -> datetime:
        async with self._database.acting(tenant=tenant) as session:
            held = await session.scalar(
                select(Number).where(Number.id == number.id, Number.state != "released").with_for_update()
            )
            if held is None:
                return (await session.get_one(Number, number.id)).released_at or utc_now()
            return await close_as_released(
                session, held, actor=step.actor or WORKER, why="released at Teli", request_id=step.request_id
            )


async def close_as_released(
    session: AsyncSession, number: Number, *, actor: str, why: str, request_id: str | None = None
) -> datetime:
    """File that a number, locked by the caller, is no longer held: its quota is free, the fact audited and told."""
    before = number.state
    number.state, number.released_at = "released", utc_now()
    await count_held(session, number.tenant_id, -1)
    note(
        session,
        actor=actor,
        action="number.released",
        of=("number", str(number.id)),
        tenant=number.tenant_id,
        before={"state": before},
        after={"state": "released", "why": why},
        request_id=request_id,
    )
    await record(session, number.tenant_id, "number.released", number_id=number.id, phone_number=number.phone_number)
    return number.released_at


def _meant(held: list[Number], acquisition: UUID | None) -> Number:
    """Which acquisition a DELETE means; `held` is newest first.

    Raises: NotFound; StateConflict.
    """
    if acquisition is not None:
        if found := next((number for number in held if number.id == acquisition), None):
            return found
        raise NotFound
    if not held:
        raise NotFound
    newest, *earlier = held
    lately = [one for one in earlier if one.released_at and one.released_at > utc_now() - LATE_RETRY]
    if newest.state != "released" and lately:
        raise released_before(lately[0].id, newest.id)
    return newest


def released_body(number_id: UUID, phone_number: str, released_at: datetime, *, again: bool) -> dict[str, Any]:
    """Teli's two bodies for a release: by this request, or by an earlier one."""
    told = {"already_released": True} if again else {"billing_stopped": True}
    return {
        "success": True,
        "phone_number": phone_number,
        "released_at": rfc3339(released_at),
        **told,
        "message": "Phone number was released before."
        if again
        else "Phone number released. You will not be billed in the next cycle.",
        "powered_by": "Teli",
        "id": str(number_id),
        "state": "released",
    }


def _answer(step: Step, number: Number, released_at: datetime, *, again: bool) -> dict[str, Any]:
    body = released_body(number.id, number.phone_number, released_at, again=again) | {"operation_id": str(step.id)}
    return {"status": 200, "body": orjson.dumps(body).decode()}
