"""Orders as they stand: listed, looked at, cancelled."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from service.audit.entries import note
from service.db import Database
from service.idempotency.once import Once
from service.kit.clock import utc_now
from service.kit.errors import StateConflict
from service.kit.pagination import COUNTED, Cursors, total
from service.observability.metrics import ORDERS
from service.orders.auth import acting_for, check_own, check_rights, orders_of
from service.orders.bulk import KINDS, preview_of, seen, settable
from service.orders.judgement import NOT_BOUGHT
from service.orders.models import Order
from service.orders.repository import UNDER_WAY, OrderRepository
from service.orders.tokens import SelectionTokens
from service.tenants.principals import Principal

Tally = Mapping[tuple[str, str | None], int]
log = structlog.get_logger()


class Orders:
    def __init__(self, database: Database, cursors: Cursors, tokens: SelectionTokens) -> None:
        self._database = database
        self._cursors = cursors
        self._tokens = tokens

    async def page(
        self,
        caller: Principal,
        states: tuple[str, ...] | None,
        *,
        limit: int,
        cursor: str | None,
        kind: str | None = None,
    ) -> dict[str, Any]:
        """Newest first; `kind`: those of one alone. Without `states` all that were ever set going.

        Raises: InvalidRequest for a foreign cursor.
        """
        query = {"list": "orders", "states": sorted(states) if states else None, "kind": kind}
        after = None
        if cursor is not None:
            moment, order_id = self._cursors.open(query, cursor)
            after = datetime.fromisoformat(moment), UUID(order_id)
        whose = orders_of(caller) if kind is None else [Order.kind == kind, *orders_of(caller)]
        async with acting_for(self._database, caller) as session:
            orders = OrderRepository(session)
            found, counted = await orders.page(states, whose, after=after, limit=limit + 1)
            shown = found[:limit]
            tallies = await orders.tally([one.id for one in shown if one.counts is None])
        next_cursor = None
        if len(found) > limit:
            next_cursor = self._cursors.seal(query, [shown[-1].created_at.isoformat(), str(shown[-1].id)])
        items = [_told(one, tallies.get(one.id)) for one in shown]
        return {"items": items, "next_cursor": next_cursor, "total": total(counted)}

    async def get(self, caller: Principal, order_id: UUID, *, kind: str | None = None) -> dict[str, Any]:
        """Raises: NotFound, also for what the caller may not see, or is of another kind."""
        return _told(*await self._found(caller, order_id, kind))

    async def shown(self, caller: Principal, order_id: UUID) -> dict[str, Any]:
        """As `get`, and with `preview` as it was shown, where it is the caller's own and can still be applied."""
        order, tally = await self._found(caller, order_id)
        own = order.kind in KINDS and order.actor == caller.actor
        preview = None
        if own and order.state == "previewed" and order.expires_at > utc_now():
            preview = preview_of(order, caller, self._tokens)
        return _told(order, tally) | {"preview": preview}

    async def _found(self, caller: Principal, order_id: UUID, kind: str | None = None) -> tuple[Order, Tally]:
        async with acting_for(self._database, caller) as session:
            orders = OrderRepository(session)
            order = await seen(orders, caller, order_id, kind=kind)
            return order, (await orders.tally([order_id]))[order_id]

    async def items(
        self,
        caller: Principal,
        order_id: UUID,
        outcome: str | None,
        *,
        limit: int,
        cursor: str | None,
        kind: str | None = None,
    ) -> dict[str, Any]:
        """Its items in the order in which they were shown. Raises: NotFound; InvalidRequest for a foreign cursor."""
        query = {"list": "order items", "order_id": str(order_id), "outcome": outcome}
        after = -1 if cursor is None else self._cursors.open(query, cursor)[0]
        async with acting_for(self._database, caller) as session:
            orders = OrderRepository(session)
            await seen(orders, caller, order_id, kind=kind)
            found = await orders.items(order_id, outcome=outcome, after=after, limit=limit + 1)
            tally = (await orders.tally([order_id]))[order_id]
        shown = found[:limit]
        next_cursor = self._cursors.seal(query, [shown[-1].seq]) if len(found) > limit else None
        counted = sum(count for (one, _), count in tally.items() if outcome in (None, one))
        return {
            "items": [
                {
                    "seq": one.seq,
                    "id": one.number_id,
                    "phone_number": one.phone_number,
                    "tenant_id": one.tenant_id,
                    "outcome": one.outcome,
                    "reason": one.reason,
                    "detail": one.detail or NOT_BOUGHT.get(one.reason or ""),
                    "shown": one.shown,
                    "becomes": one.wanted,
                    "operation_id": one.step_id or one.intent_id,
                    "area_code": one.area_code,
                    "ended_at": one.ended_at,
                }
                for one in shown
            ],
            "next_cursor": next_cursor,
            "total": {"value": min(counted, COUNTED), "exact": True},
        }

    async def cancel(
        self, caller: Principal, order_id: UUID, request_id: str, once: Once, *, kind: str | None = None
    ) -> dict[str, Any]:
        """What nobody has begun is left alone from now on; what is begun comes to its end. Again, it changes nothing.

        Raises: NotFound; ScopeMissing; NotYourTenant; StateConflict for an order that is over.
        """
        async with acting_for(self._database, caller) as session:
            await once.before(session)
            orders = OrderRepository(session)
            order = await seen(orders, caller, order_id, lock=True, kind=kind)
            check_rights(caller, order.kind, settable(order.change.get("set", {})))
            check_own(caller, order)
            if order.cancelled_at is None:
                if order.ended_at is not None:
                    raise StateConflict(f"This order is {order.state}: there is nothing left to cancel.")
                await self._cancel(orders, order, caller, request_id)
            await once.keep(session, answer={"order_id": str(order_id)})
            tally = (await orders.tally([order_id]))[order_id]
        return _told(order, tally)

    async def _cancel(self, orders: OrderRepository, order: Order, caller: Principal, request_id: str) -> None:
        before = order.state
        order.cancelled_at = utc_now()
        await orders.cancel_waiting(order.id)
        # One that is under way is closed by the worker, when what was begun is over.
        if order.state not in UNDER_WAY:
            order.state, order.ended_at = "cancelled", order.cancelled_at
        note(
            orders.session,
            actor=caller.actor,
            action="order.cancel",
            of=("order", str(order.id)),
            tenant=order.tenant_id,
            before={"state": before},
            after={"state": order.state, "cancelled": True},
            request_id=request_id,
        )
        ORDERS.labels(order.kind, "cancel").inc()
        log.info("an order was cancelled", order=str(order.id), kind=order.kind)


def _told(order: Order, tally: Tally | None) -> dict[str, Any]:
    """`tally`: None where the order is over, and counted."""
    counts = dict(order.counts or {})
    reasons: dict[str, int] = {}
    for (outcome, reason), count in (tally or {}).items():
        if order.counts is None:
            counts[outcome] = counts.get(outcome, 0) + count
        if reason is not None:
            reasons[reason] = reasons.get(reason, 0) + count
    return {
        "order_id": order.id,
        "kind": order.kind,
        "state": order.state,
        "tenant_id": order.tenant_id,
        "change": order.change,
        "selection": order.selection,
        "preview": order.preview,
        "content": order.content,
        "actor": order.actor,
        "count": order.to_do,
        "counts": counts,
        "reasons": reasons,
        "undoes": order.undoes,
        "created_at": order.created_at,
        "expires_at": order.expires_at if order.applied_at is None else None,
        "applied_at": order.applied_at,
        "cancelled_at": order.cancelled_at,
        "ended_at": order.ended_at,
        "deadline": order.deadline,
    }
