"""One number and its history, by our id or by its E.164, for whoever may see it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVarTuple
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Row, Select, Uuid, and_, bindparam, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.models import AuditEntry
from service.db import Database, count_up
from service.http.conditions import digest
from service.kit.errors import NotFound
from service.kit.pagination import Cursors, total
from service.kit.phone import E164
from service.numbers.drift import shown
from service.numbers.follow_ups import STEP_STATES
from service.numbers.models import Drift, Number
from service.prices.pricing import Pricing
from service.tenants.principals import Principal

Named = UUID | E164
Columns = TypeVarTuple("Columns")
REVISION_OF = (
    "id", "state", "nickname", "tags", "cost_center", "holder_user_id", "inbound_agent_id", "outbound_agent_id",
)  # fmt: skip
STAFF_AMONG = text("SELECT id, kind FROM staff_among(:keys)").bindparams(bindparam("keys", type_=ARRAY(Uuid)))


@dataclass(frozen=True, slots=True)
class Told:
    """Who did something, to a reader who may not read the audit log.

    `staff`: keys of nobody's tenant, and of what kind each is; `own`: whether the number is of the reader's tenant, as
    whoever else changed it with a key or a token then is.
    """

    staff: Mapping[str, str]
    own: bool

    def actor(self, actor: str) -> str:
        kind, _, _ = actor.partition(":")
        if kind == "person" or actor in self.staff:
            return self.staff.get(actor, kind)
        return "tenant" if kind in ("key", "token") and not self.own else actor


def meant(query: Select[*Columns], which: Named) -> Select[*Columns]:
    """Of a query of numbers the one that is named; of several acquisitions of an E.164 the latest, for only that can
    be held.
    """
    named = Number.id == which if isinstance(which, UUID) else Number.phone_number == which
    return query.where(named).order_by(Number.acquired_at.desc()).limit(1)


def revision_of(shown: Mapping[str, Any]) -> str:
    """Of what may be changed of a number, and of its state: what else is told of it changes by itself."""
    return digest(orjson.dumps([shown[name] for name in REVISION_OF], default=str))


class Lookup:
    def __init__(self, database: Database, cursors: Cursors, pricing: Pricing) -> None:
        self._database = database
        self._cursors = cursors
        self._pricing = pricing

    async def one(self, caller: Principal, which: Named) -> dict[str, Any]:
        """All that is known of a number; of several acquisitions of an E.164 the latest, for only that can be held.

        Raises: NotFound, also for what the caller may not see.
        """
        await self._pricing.ensure_default()
        named = {"id": str(which)} if isinstance(which, UUID) else {"phone_number": which}
        told = await self._database.read(
            "show_number",
            {**named, "tenant_id": caller.tenant_id, "rule": self._pricing.rule},
            tenant=caller.tenant_id,
            duty=_duty(caller),
            sees=caller.sees,
            bounds=caller.bounds,
        )
        if told is None:
            raise NotFound
        number: dict[str, Any] = orjson.loads(told)
        for step in number["owed"]:
            step["state"] = STEP_STATES.get(step["state"], "pending")
        number["drift"] = [shown(Drift(**drift)) for drift in number["drift"]]
        return number

    async def history(self, caller: Principal, which: Named, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """What happened to a number and to its purchase, newest first.

        Raises: NotFound, also for what the caller may not see; InvalidRequest for a cursor of another history.
        """
        async with self._acting(caller) as session:
            number = await _identity(session, which)
            query = {"list": "history", "number": str(number.id)}
            of = [and_(AuditEntry.object_kind == "number", AuditEntry.object_id == str(number.id))]
            if number.intent_id is not None:
                of.append(and_(AuditEntry.object_kind == "intent", AuditEntry.object_id == str(number.intent_id)))
            page = select(AuditEntry).where(or_(*of)).order_by(AuditEntry.id.desc()).limit(limit + 1)
            if cursor is not None:
                [before] = self._cursors.open(query, cursor)
                page = page.where(AuditEntry.id < before)
            found = (await session.scalars(page)).all()
            counted = await count_up(session, select(AuditEntry.id).where(or_(*of)))
            told = None if caller.may("admin:read") else await _told_to(session, caller, number.tenant_id, found)
        more = len(found) > limit
        return {
            "items": [_event(entry, told) for entry in found[:limit]],
            "next_cursor": self._cursors.seal(query, [found[limit - 1].id]) if more else None,
            "total": total(counted),
        }

    def _acting(self, caller: Principal) -> AbstractAsyncContextManager[AsyncSession]:
        return self._database.acting(
            tenant=caller.tenant_id, duty=_duty(caller), sees=caller.sees, bounds=caller.bounds
        )


def _duty(caller: Principal) -> str:
    """What was heard of a purchase is told to its tenant and to operators."""
    return "operator" if caller.may("operator:read") else "service"


async def _identity(session: AsyncSession, which: Named) -> Row[UUID, UUID | None, str]:
    found = (await session.execute(meant(select(Number.id, Number.intent_id, Number.tenant_id), which))).one_or_none()
    if found is None:
        raise NotFound
    return found


async def _told_to(session: AsyncSession, caller: Principal, owner: str, entries: Sequence[AuditEntry]) -> Told:
    """`owner`: whose the number is."""
    keys = {UUID(name) for kind, _, name in (entry.actor.partition(":") for entry in entries) if kind == "key"}
    staff = {f"key:{one.id}": one.kind for one in await session.execute(STAFF_AMONG, {"keys": list(keys)})}
    return Told(staff, own=caller.tenant_id == owner)


def _event(entry: AuditEntry, told: Told | None) -> dict[str, Any]:
    """`told`: to whom is told who did it; None for whoever reads the audit log, and knows it all."""
    return {
        "at": entry.at,
        "action": entry.action,
        "actor": entry.actor if told is None else told.actor(entry.actor),
        "request_id": entry.request_id if told is None or told.own else None,
        "before": entry.before,
        "after": entry.after,
    }
