"""What the worker does for orders: begins items while there is room, files what became of them, and closes orders.

An item is begun in the very transaction in which its number is to be changed and the step is owed: whoever dies leaves
both behind or neither, and nobody begins it twice. The step is then done like any other.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import ACTIONS
from service.audit.entries import note
from service.db import CommitUnknown, Database
from service.kit.clock import utc_now
from service.kit.errors import StorageUnavailable
from service.numbers.models import Number
from service.numbers.repository import By, Change, change_number, release_number
from service.observability.metrics import ALARMS, ORDER_ITEMS, ORDERS
from service.orders.bulk import context_of, idle_days_of
from service.orders.judgement import WORDS, Reason, changed_words, differences, final_state, objection
from service.orders.models import Order, OrderItem
from service.orders.repository import UNDER_WAY, OrderRepository
from service.outbox.events import record
from service.quotas.errors import QuotaExceeded
from service.reconciliation import importable, importing
from service.reconciliation.adoption import held_by_another

# Of one account: items whose steps are due, so that those that come alone never wait for long; and all that are under
# way, so that while Teli fails an order comes to a halt instead of leaving thousands half done.
DUE_AT_ONCE = 32
BEGUN_AT_ONCE = 256
# Looked at before what was begun is settled: many owe Teli nothing, and leave that room as it is.
LOOKED_AT_ONCE = 1000
# A preview that came too late is told so for a while, and then is unknown.
PREVIEWS_KEPT = timedelta(hours=1)
PREVIEWS_A_TIME = 10
WORKER = "worker"
SAID: Mapping[str, str] = dict((*WORDS.items(), *importable.WORDS.items()))
# Outcome, reason, and what is to be said of it beyond the reason's own words.
Ended = tuple[str, Reason | importable.Reason | None, str | None]
log = structlog.get_logger()


class OrderWork:
    def __init__(self, database: Database, *, mark_keep: float) -> None:
        """`mark_keep`: seconds until the mark that an imported number carries is to be taken off."""
        self._database = database
        self._mark_keep = mark_keep

    async def run(self, account: UUID) -> bool:
        """Settle what is over, and begin what there is room for, each order in turn. Returns whether any is open."""
        async with self._database.acting() as session:
            orders = OrderRepository(session)
            await orders.settle(account)
            everything, due = await orders.begun(account)
            waiting = list(await orders.with_waiting(account))
            await orders.start(waiting)
        room = min(DUE_AT_ONCE - due, BEGUN_AT_ONCE - everything)
        for order_id in islice(cycle(waiting), LOOKED_AT_ONCE):
            if room <= 0 or not waiting:
                break
            if order_id not in waiting:
                continue
            match await self._begin(order_id, account):
                case None:
                    waiting.remove(order_id)
                case True:
                    room -= 1
        return bool(waiting or everything)

    async def _begin(self, order_id: UUID, account: UUID) -> bool | None:
        """Begin the next item: whether something is owed for it now; None where there is none to begin.

        Raises: StorageUnavailable, CommitUnknown.
        """
        seq = None
        try:
            async with self._database.acting() as session:
                orders = OrderRepository(session)
                item = await orders.next_waiting(order_id, account)
                if item is None:
                    return None
                seq = item.seq
                order = await session.get_one(Order, order_id)
                do = self._adopt if order.kind == "import" else self._change
                _end(item, *await do(orders, order, item))
        except (StorageUnavailable, CommitUnknown):
            raise
        except Exception as error:
            if seq is None:
                raise
            ALARMS.labels("order_item_failed").inc()
            log.error("an item of an order failed unforeseen", exc_info=error, order=str(order_id), seq=seq)
            await self._failed(order_id, seq)
            return False
        ORDER_ITEMS.labels(order.kind, item.outcome).inc()
        return item.outcome == "begun"

    async def _change(self, orders: OrderRepository, order: Order, item: OrderItem) -> Ended:
        """Look at the number again, lock it, and owe what is to be done; what has become of the item by that."""
        session = orders.session
        assert item.number_id is not None
        found = (await orders.facts_of([item.number_id], lock=True)).get(item.number_id)
        if found is None:
            return "skipped", "not_found", None
        if changed := differences(item.shown or {}, found, idle_days=idle_days_of(order), now=utc_now()):
            return "skipped", "changed_since", changed_words(changed)
        context = await context_of(orders, order.tenant_id, [found], [item.wanted])
        force = bool(order.change.get("release", {}).get("force"))
        if reason := objection(found, item.wanted, context, force=force):
            return "skipped", reason, None
        number = await session.get_one(Number, found.id)
        by = By(order.actor, order.request_id, order.id)
        try:
            async with session.begin_nested():
                item.step_id = await _owe(session, number, item, by, asked=order.tenant_id is not None)
        except QuotaExceeded as refusal:
            return "skipped", "quota_exceeded", refusal.detail
        return "done" if item.step_id is None else "begun", None, None

    async def _adopt(self, orders: OrderRepository, order: Order, item: OrderItem) -> Ended:
        """Look at what is listed again, and make it its tenant's, where it still is as it was shown."""
        assert item.phone_number is not None
        assert item.shown is not None
        assert item.wanted is not None
        said = importable.Said(
            item.phone_number,
            item.wanted["tenant_id"],
            organization_id=item.wanted["organization_id"],
            user_id=item.wanted["user_id"],
        )
        row, reason = await importing.judged(orders.session, said, item.account_id)
        if reason is not None or row is None:
            return "skipped", reason, None
        if changed := importable.differences(item.shown, row):
            return "skipped", "changed_since", changed_words(changed)
        by = By(order.actor, order.request_id)
        try:
            async with orders.session.begin_nested():
                done = await importing.adopt(orders.session, row, item.wanted, by, mark_keep=self._mark_keep)
        except IntegrityError as error:
            if not held_by_another(error):
                raise
            return "skipped", "held_by_another", None
        if done is None:
            return "skipped", "changed_since", changed_words(["orphan"])
        item.number_id, passed = done
        told = "; ".join(f"{one['held']} of {one['limit']} of the {one['scope']}" for one in passed)
        return "done", None, f"Passes a limit of numbers held: {told}." if told else None

    async def _failed(self, order_id: UUID, seq: int) -> None:
        async with self._database.acting() as session:
            item = await session.get(OrderItem, (order_id, seq), with_for_update=True)
            if item is not None and item.outcome == "waiting":
                _end(item, "failed", "failed_unforeseen")

    async def close(self) -> bool:
        """Close the orders of which nothing is left to do. Returns whether there was any."""
        async with self._database.acting() as session:
            over = await OrderRepository(session).over()
        for order_id in over:
            await self._close(order_id)
        return bool(over)

    async def _close(self, order_id: UUID) -> None:
        async with self._database.acting() as session:
            orders = OrderRepository(session)
            order = await orders.get(order_id, lock=True)
            if order is None or order.state not in UNDER_WAY:
                return
            counts: dict[str, int] = {}
            for (outcome, _), count in (await orders.tally([order_id]))[order_id].items():
                counts[outcome] = counts.get(outcome, 0) + count
            before = order.state
            order.state = final_state(counts, to_do=order.to_do, cancelled=order.cancelled_at is not None)
            order.counts, order.ended_at = counts, utc_now()
            note(
                session,
                actor=WORKER,
                action=ACTIONS[f"order.{order.state}"],
                of=("order", str(order.id)),
                tenant=order.tenant_id,
                before={"state": before},
                after={"state": order.state, "counts": counts},
                request_id=order.request_id,
            )
            # An administrator's is no tenant's to hear of; of each number its tenant hears.
            if order.tenant_id is not None:
                told: dict[str, Any] = {"order_id": str(order.id), "order_kind": order.kind, "counts": counts}
                await record(session, order.tenant_id, f"order.{order.state}", **told)
        ORDERS.labels(order.kind, order.state).inc()
        log.info("an order is over", order=str(order.id), kind=order.kind, state=order.state, **counts)

    async def forget_previews(self) -> None:
        """Delete what was shown and never applied, a few at a time, for each may hold thousands of numbers."""
        while True:
            async with self._database.acting() as session:
                old = await OrderRepository(session).old_previews(utc_now() - PREVIEWS_KEPT, limit=PREVIEWS_A_TIME)
                await session.execute(delete(Order).where(Order.id.in_(old), Order.state == "previewed"))
            if len(old) < PREVIEWS_A_TIME:
                return


async def _owe(session: AsyncSession, number: Number, item: OrderItem, by: By, *, asked: bool) -> UUID | None:
    """Raises: QuotaExceeded."""
    if item.wanted is None:
        return await release_number(session, number, by, asked=asked)
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in item.wanted.items()
    }
    return await change_number(session, number, Change(frozenset(given), **given), by)


def _end(item: OrderItem, outcome: str, reason: str | None = None, detail: str | None = None) -> None:
    item.outcome, item.reason, item.detail = outcome, reason, detail or (reason and SAID[reason])
    item.ended_at = None if outcome == "begun" else utc_now()
