"""Drift that nobody decided, for whoever sees the number, and the decision of whoever may change it."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select, tuple_

from service.db import Database
from service.idempotency.once import Once
from service.kit.errors import NotFound, StateConflict
from service.kit.pagination import COUNTED, Cursors, total
from service.kit.types import TenantId
from service.numbers.auth import STAFF, check_may_set
from service.numbers.drift import shown
from service.numbers.members import CHANGEABLE
from service.numbers.models import Drift, Number
from service.numbers.repository import By
from service.reconciliation.settling import settle_ours, settle_theirs
from service.tenants.principals import Principal

LIST = {"list": "drift"}


class DriftList:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """One page, what has been so for longest first.

        Raises: InvalidRequest for a cursor of another list.
        """
        listed = (
            select(Drift, Number)
            .join(Number, Number.id == Drift.number_id)
            # Of one that is given back nothing is to be decided any more.
            .where(Drift.state == "open", Number.state.in_(CHANGEABLE))
        )
        page = listed.order_by(Drift.since, Drift.id).limit(limit + 1)
        if cursor is not None:
            since, drift_id = self._cursors.open(LIST, cursor)
            page = page.where(tuple_(Drift.since, Drift.id) > tuple_(datetime.fromisoformat(since), UUID(drift_id)))
        matches = listed.with_only_columns(Drift.id).limit(COUNTED + 1).subquery()
        async with self._database.acting(
            tenant=caller.tenant_id, sees=caller.lists_whole, bounds=caller.bounds
        ) as session:
            found = (await session.execute(page)).all()
            counted = (await session.scalars(select(func.count()).select_from(matches))).one()
        next_cursor = None
        if len(found) > limit:
            last: Drift = found[limit - 1].Drift
            next_cursor = self._cursors.seal(LIST, [last.since.isoformat(), str(last.id)])
        return {
            "items": [_item(row.Drift, row.Number) for row in found[:limit]],
            "next_cursor": next_cursor,
            "total": total(counted),
        }

    async def resolve(
        self,
        caller: Principal,
        drift_id: UUID,
        decision: Literal["ours", "theirs"],
        *,
        reason: str,
        request_id: str,
        once: Once,
    ) -> dict[str, Any]:
        """Put ours back, or take theirs. A retry with the same key decides nothing more.

        Raises: IdempotencyKeyReused; NotFound, also for what the caller sees and may not change; ScopeMissing;
            StateConflict where it was settled, or the number was changed meanwhile; InvalidRequest where theirs cannot
            be taken.
        """
        by_staff = caller.may(STAFF)
        drift = await self._seen(caller, drift_id)
        if not by_staff and drift.tenant_id != caller.tenant_id:
            raise NotFound
        if drift.member == "user_id":
            caller.need(STAFF)
        else:
            check_may_set(caller, [drift.member])
        tenant = TenantId(drift.tenant_id)
        duty, sees = ("admin", caller.sees) if by_staff else ("service", ())
        once = once.by(caller.actor) if by_staff else replace(once, owner=tenant)
        async with self._database.acting(tenant=tenant, duty=duty, sees=sees, bounds=caller.bounds) as session:
            if (before := await once.before(session)) is not None:
                return before.answer
            number = await session.get_one(Number, drift.number_id, with_for_update=True)
            drift = await session.get_one(Drift, drift_id, with_for_update=True)
            if drift.state != "open":
                raise StateConflict(_settled_before(drift), state=drift.state)
            by = By(caller.actor, request_id)
            step_id = None
            if decision == "ours":
                step_id = await settle_ours(session, drift, number, by, reason=reason)
            else:
                await settle_theirs(session, drift, number, by, reason=reason)
            decided = {
                "id": str(drift_id),
                "state": "settled",
                "number_id": str(number.id),
                "operation_id": None if step_id is None else str(step_id),
            }
            await once.keep(session, answer=decided)
        return decided

    async def _seen(self, caller: Principal, drift_id: UUID) -> Drift:
        async with self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
            found = await session.get(Drift, drift_id)
        if found is None or found.state == "suspected":
            raise NotFound
        return found


def _item(drift: Drift, number: Number) -> dict[str, Any]:
    return {
        "number_id": number.id,
        "phone_number": number.phone_number,
        "state": number.state,
        "organization_id": number.organization_id,
        "tenant_id": number.tenant_id,
        "user_id": number.user_id,
        "area_code": number.area_code,
        "nickname": number.nickname,
        **shown(drift),
    }


def _settled_before(drift: Drift) -> str:
    if drift.decision == "gone":
        return "It is no drift any more: Teli lists again what is wanted."
    return f"This was settled before: {drift.decision}."
