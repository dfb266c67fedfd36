"""Giving a number back, with the same care as buying one.

Teli's DELETE names only the E.164. A late or repeated one could hit a number that was given out anew, so a DELETE is
never repeated before the row id that was meant has been seen again, and after an unknown outcome not before a
settling window has passed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import func, select, update

from service.audit.entries import note
from service.db import Database
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import NotFound
from service.kit.phone import E164
from service.kit.types import TenantId
from service.numbers.confirm import Confirmation
from service.numbers.errors import released_before
from service.numbers.models import Number, Step
from service.numbers.steps import Done, Later, owe
from service.observability.metrics import ALARMS
from service.outbox.events import record
from service.quotas.models import TenantQuota
from service.teli.client import TeliClient
from service.teli.heard import Heard
from service.tenants.principals import Principal

LATE_RETRY = timedelta(days=7)
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
                under_way = await session.scalar(
                    select(Step.id).where(Step.number_id == number.id, Step.kind == "release").order_by(
                        Step.created_at.desc()
                    ).limit(1)
                )
                assert under_way is not None
                return Releasing(under_way)
            was, number.state = number.state, "releasing"
            step_id = await owe(session, caller.tenant, number.id, "release")
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
        """The `release` step."""
        async with self._database.acting(tenant=tenant) as session:
            number = await session.get_one(Number, step.number_id)
        if number.state == "released":
            return Done("released before", answer=_answer(number, number.released_at or utc_now(), None))
        if step.sent_at is not None or number.confirmed_at is None:
            settled_at = step.sent_at + timedelta(seconds=self._settling_window) if step.sent_at else utc_now()
            if step.outcome != "failed upstream" and utc_now() < settled_at:
                return Later(step.outcome or "unknown", after=(settled_at - utc_now()).total_seconds())
            if await self._confirmation.look(number, tenant) is None:
                return Later("its row is not listed")
        await self._about_to_send(step, tenant)
        heard = await self._teli.release(number.phone_number)
        return await self._read(step, number, heard, tenant)

    async def _about_to_send(self, step: Step, tenant: TenantId | None) -> None:
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(update(Step).where(Step.id == step.id).values(sent_at=func.clock_timestamp()))

    async def _read(self, step: Step, number: Number, heard: Heard, tenant: TenantId | None) -> Done | Later:
        if heard.kind == "never_sent":
            return await self._not_sent(step, heard.detail or "never sent", tenant)
        if heard.kind != "answer" or heard.status is None:
            return Later("unknown")
        body = heard.object()
        if heard.status == 200 and (body.get("success") is not False or body.get("already_released") is True):
            released_at = await self._released(number, tenant)
            return Done("released", answer=_answer(number, released_at, heard))
        if heard.status == 502 and body.get("failed") in ("voice_provider", "voice_carrier"):
            return Later("failed upstream")
        if heard.status in (401, 403, 429):
            return await self._not_sent(step, f"status {heard.status}", tenant)
        if heard.status == 404:
            # Gone, somebody else's, or the wrong key: not proof of a release. A person decides.
            ALARMS.labels("release_not_found").inc()
            log.error("release answered 404", number=str(number.id))
            return Done("unknown at Teli", state="unresolved")
        if heard.status == 400:
            ALARMS.labels("release_refused").inc()
            return Done("refused", state="unresolved")
        return Later("unknown")

    async def _not_sent(self, step: Step, why: str, tenant: TenantId | None) -> Later:
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(update(Step).where(Step.id == step.id).values(sent_at=None))
        return Later(why)

    async def _released(self, number: Number, tenant: TenantId | None) -> datetime:
        async with self._database.acting(tenant=tenant) as session:
            moved = await session.execute(
                update(Number)
                .where(Number.id == number.id, Number.state != "released")
                .values(state="released", released_at=func.clock_timestamp())
                .returning(Number.released_at)
            )
            released_at = moved.scalar_one_or_none()
            if released_at is None:
                return number.released_at or utc_now()
            await session.execute(
                update(TenantQuota)
                .where(TenantQuota.tenant_id == number.tenant_id)
                .values(used=TenantQuota.used - 1)
            )
            note(
                session,
                actor="release",
                action="number.released",
                of=("number", str(number.id)),
                tenant=number.tenant_id,
                before={"state": number.state},
                after={"state": "released"},
            )
            await record(
                session, number.tenant_id, "number.released", number_id=number.id, phone_number=number.phone_number
            )
        return released_at


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


def _answer(number: Number, released_at: datetime, heard: Heard | None) -> dict[str, Any]:
    again = bool(heard and heard.object().get("already_released"))
    body = released_body(number.id, number.phone_number, released_at, again=again)
    return {"status": 200, "body": orjson.dumps(body).decode()}
