"""One number and its history, by our id or by its E.164, for whoever may see it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVarTuple
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Row, Select, Uuid, and_, bindparam, func, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.agents.models import AgentLink
from service.audit.models import AuditEntry
from service.db import Database, count_up
from service.http.conditions import digest
from service.kit.errors import NotFound
from service.kit.pagination import Cursors, total
from service.kit.phone import E164
from service.numbers.drift import shown
from service.numbers.follow_ups import operation_state
from service.numbers.members import CHANGEABLE
from service.numbers.models import Drift, Evidence, Intent, Number, Step
from service.numbers.repository import agents_in_force
from service.prices.pricing import Asked, NumberCosts, Pricing
from service.tenants.principals import Principal

Named = UUID | E164
Columns = TypeVarTuple("Columns")
INBOUND, OUTBOUND = aliased(AgentLink), aliased(AgentLink)
SEEN = func.number_seen(Number.id).table_valued("first_seen_at", "last_seen_at", "gone_at").render_derived()
# What was heard first is how the purchase was answered; what came later changed nothing, or is in the history.
HEARD = select(Evidence.status).where(Evidence.intent_id == Intent.id).order_by(Evidence.id).limit(1).scalar_subquery()
REVISION_OF = (
    "id", "state", "nickname", "tags", "cost_center", "holder_user_id", "inbound_agent_id", "outbound_agent_id",
)  # fmt: skip
OPEN = ("waiting", "running", "unresolved")
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
        query = (
            select(
                Number,
                INBOUND,
                OUTBOUND,
                Intent,
                HEARD.label("answered"),
                *SEEN.c,
            )
            .outerjoin(INBOUND, and_(INBOUND.number_id == Number.id, INBOUND.direction == "inbound"))
            .outerjoin(OUTBOUND, and_(OUTBOUND.number_id == Number.id, OUTBOUND.direction == "outbound"))
            .outerjoin(Intent, Intent.id == Number.intent_id)
            .outerjoin(SEEN, true())
        )
        await self._pricing.ensure_default()
        async with self._acting(caller) as session:
            found = (await session.execute(meant(query, which))).one_or_none()
            if found is None:
                raise NotFound
            owed = (
                await session.scalars(
                    select(Step)
                    .where(Step.number_id == found.Number.id, Step.state.in_(OPEN))
                    .order_by(Step.created_at, Step.id)
                )
            ).all()
            drifts = (
                await session.scalars(
                    select(Drift)
                    .where(Drift.number_id == found.Number.id, Drift.state == "open")
                    .order_by(Drift.since, Drift.id)
                )
            ).all()
            number: Number = found.Number
            release = _release_of(number, owed)
            # Beside all that it cost: what comes to be due between the wish to give it back and the end of its grace.
            asked = Asked(number.id, release.created_at, release.due_at) if release else Asked(number.id)
            costs = (await self._pricing.costs_of(session, [asked]))[number.id]
        links = {"inbound": found[1], "outbound": found[2]}
        return {
            **{column.name: getattr(number, column.name) for column in Number.__table__.columns},
            "operation_id": number.intent_id,
            **agents_in_force({direction: link for direction, link in links.items() if link is not None}),
            "agents": {direction: _link(link) for direction, link in links.items()},
            "costs": _costs(number, costs),
            "purchase": _purchase(found, keys=number.tenant_id == caller.tenant_id),
            "upstream": _upstream(found),
            "calls": {
                "last_inbound_at": number.last_inbound_call_at,
                "last_outbound_at": number.last_outbound_call_at,
                "idle_since": number.idle_since,
            },
            "owed": [_owed(step) for step in owed],
            "release": release and _release(release, costs),
            "drift": [shown(drift) for drift in drifts if number.state in CHANGEABLE],
        }

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
        """What was heard of a purchase is told to its tenant and to operators."""
        duty = "operator" if caller.may("operator:read") else "service"
        return self._database.acting(tenant=caller.tenant_id, duty=duty, sees=caller.sees, bounds=caller.bounds)


def _release_of(number: Number, owed: Sequence[Step]) -> Step | None:
    """The release whose grace has not ended."""
    if number.state != "release_scheduled":
        return None
    return next(step for step in owed if step.kind == "release")


def _release(step: Step, costs: NumberCosts) -> dict[str, Any]:
    return {
        "operation_id": step.id,
        "at": step.due_at,
        "asked_at": step.created_at,
        "reason": step.reason,
        "extra_charge": costs.within,
    }


def _costs(number: Number, costs: NumberCosts) -> dict[str, Any]:
    return {
        "to_date": costs.to_date,
        "monthly": costs.monthly,
        "next_charge_at": costs.next_charge_at,
        "next_charge": costs.next_charge,
        "currency": costs.currency,
        "source": "price_book" if number.price is None else "import",
        "price_id": costs.price_id,
    }


async def _identity(session: AsyncSession, which: Named) -> Row[UUID, UUID | None, str]:
    found = (await session.execute(meant(select(Number.id, Number.intent_id, Number.tenant_id), which))).one_or_none()
    if found is None:
        raise NotFound
    return found


def _link(link: AgentLink | None) -> dict[str, Any] | None:
    if link is None:
        return None
    return {
        "desired": link.desired, "confirmed": link.confirmed, "state": link.state, "updated_at": link.updated_at,
    }  # fmt: skip


def _purchase(found: Row[Any], *, keys: bool) -> dict[str, Any] | None:
    """`keys`: whether an idempotency key may be told; it is its tenant's own."""
    intent: Intent | None = found.Intent
    if intent is None:
        return None
    return {
        "operation_id": intent.id,
        "state": intent.state,
        "decision": intent.decision,
        "idempotency_key": intent.idempotency_key if keys else None,
        "request_id": intent.request_id if keys else None,
        "admitted_at": intent.admitted_at,
        "ended_at": intent.send_ended_at,
        "decided_at": intent.decided_at,
        "answered": found.answered,
    }


def _upstream(found: Row[Any]) -> dict[str, Any]:
    number: Number = found.Number
    return {
        "row_id": number.upstream_row_id,
        "subscription_id": number.subscription_id,
        "nickname": number.upstream_nickname,
        "first_seen_at": found.first_seen_at,
        "last_seen_at": found.last_seen_at,
        "gone_at": found.gone_at,
    }


def _owed(step: Step) -> dict[str, Any]:
    return {
        "operation_id": step.id,
        "kind": step.kind,
        "state": operation_state(step),
        "created_at": step.created_at,
        "due_at": step.due_at,
        "tries": step.tries,
        "outcome": step.outcome,
    }


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
