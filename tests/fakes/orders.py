"""Orders of new numbers in memory: placing, cancelling and closing them, and the queue of what waits to be sent."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from service.audit.actions import ACTIONS
from service.idempotency.once import Once
from service.kit.clock import utc_now
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.types import new_id
from service.numbers.errors import PurchasesStopped
from service.numbers.models import Intent
from service.orders.choosing import choices
from service.orders.judgement import NOT_BOUGHT, digest, final_state
from service.orders.models import Order, OrderItem, OrderShare, SoldOut
from service.orders.orders import Orders, _told
from service.orders.placing import OrderWanted, Placing
from service.orders.queue import CLAIMED_FOR, SOLD_OUT_FOR, OrderQueue, Over
from service.orders.repository import OPEN, UNDER_WAY
from service.orders.work import OrderWork
from service.tenants.principals import Principal
from tests.fakes import quotas
from tests.fakes.world import World, alter, copy_of, made

AGAIN = ("never_sent", "credentials", "rate_limited", "out_of_stock")
# Of its own sends that a tenant stands behind the others at most.
SLACK = 4.0


class PlacingInMemory(Placing):
    """For tenants alone, whose users are all filed."""

    def __init__(self, world: World, *, limits_at: int) -> None:
        self._world = world
        self._limits_at = limits_at

    async def place(self, caller: Principal, wanted: OrderWanted, request_id: str, once: Once) -> UUID:
        world, now = self._world, utc_now()
        if (named := world.before(once)) is not None:
            return UUID(named.answer["order_id"])
        if wanted.deadline is not None and wanted.deadline <= now:
            raise InvalidRequest(Fault("/deadline", "has passed; name a time to come, or none"))
        tenant = world.tenants[caller.tenant]
        account = world.organizations[wanted.organization_id].account_id or tenant.account_id
        stopped = {("global", ""), ("tenant", tenant.id), ("account", str(account))}
        if tenant.state != "active" or world.stops.keys() & stopped:
            raise PurchasesStopped(suspended=tenant.state != "active")
        quotas.reserve_order(world, caller.tenant, wanted.organization_id, wanted.users, self._limits_at, now)
        change = {"buy": wanted.kept(choices(wanted.area_codes, wanted.fallback, caller.policy))}
        order = made(
            Order, id=new_id(), tenant_id=caller.tenant, actor=caller.actor, kind="buy", state="pending", change=change,
            selection={}, digest=digest(change, ()), preview={}, to_do=len(wanted.items),
            organization_ids=[wanted.organization_id], user_ids=sorted(wanted.users), request_id=request_id,
            created_at=now, applied_at=now, expires_at=now, deadline=wanted.deadline,
        )  # fmt: skip
        items = [
            made(
                OrderItem, order_id=order.id, seq=seq, tenant_id=caller.tenant, account_id=account,
                organization_id=wanted.organization_id, user_id=one.user_id,
                wanted={"user_id": one.user_id, "nickname": one.nickname}, outcome="waiting",
                sold_out=[], counted_at=now, due_at=now,
            )
            for seq, one in enumerate(wanted.items)
        ]  # fmt: skip
        world.add_order(order, items)
        world.note("order.placed")
        world.keep(once, answer={"order_id": str(order.id)})
        return order.id


class OrdersInMemory(Orders):
    """For tenants alone, and to cancel; how orders are listed is for tests of their own."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def cancel(
        self, caller: Principal, order_id: UUID, request_id: str, once: Once, *, kind: str | None = None
    ) -> dict[str, Any]:
        order = self._world.orders.get(order_id)
        if order is None or order.tenant_id != caller.tenant:
            raise NotFound
        if order.cancelled_at is None:
            if order.ended_at is not None:
                raise StateConflict(f"This order is {order.state}: there is nothing left to cancel.")
            alter(order, cancelled_at=utc_now())
            give_up_items(self._world, order_id, None, "cancelled", None, None)
            self._world.note("order.cancel")
        return _told(order, tally(self._world, order_id))


class OrderQueueInMemory(OrderQueue):
    def __init__(self, world: World) -> None:
        self._world = world

    async def claim(
        self, account: UUID, *, most: int, without: Collection[str] = (), without_users: Collection[str] = ()
    ) -> Sequence[tuple[Order, OrderItem]]:
        """The function `claim_order_items`, line by line."""
        world, now = self._world, utc_now()
        tenants = sorted({str(one.tenant_id) for one in world.waiting_items() if one.account_id == account})
        for tenant in tenants:
            world.order_shares.setdefault((account, tenant), made(OrderShare, account_id=account, tenant_id=tenant))
        tenants = [one for one in tenants if one not in without]
        claimed: list[OrderItem] = []
        while len(claimed) < most:
            latest = max((one.started for (of, _), one in world.order_shares.items() if of == account), default=0.0)
            starts = {
                tenant: max(
                    passed(world.order_shares[account, tenant]), latest - SLACK / world.tenants[tenant].order_weight
                )
                for tenant in tenants
            }
            if not starts:
                break
            tenant = min(starts, key=lambda one: (starts[one], one))
            item = self._next_of(account, tenant, now, without_users)
            if item is None:
                tenants.remove(tenant)
                continue
            alter(world.orders[item.order_id], turned_at=now, state="running")
            alter(item, claimed_until=now + timedelta(seconds=CLAIMED_FOR))
            share, weight = world.order_shares[account, tenant], world.tenants[tenant].order_weight
            alter(share, weight=weight, started=starts[tenant], **{"pass": starts[tenant] + 1.0 / weight})
            claimed.append(item)
        return [(copy_of(world.orders[one.order_id]), copy_of(one)) for one in claimed]

    def _next_of(self, account: UUID, tenant: str, now: datetime, without_users: Collection[str]) -> OrderItem | None:
        """Of one tenant the order that waited longest comes first, and of an order its first item."""
        ready = [
            one
            for one in self._world.waiting_items()
            if one.account_id == account and one.tenant_id == tenant and one.due_at is not None and one.due_at <= now
            and (one.claimed_until is None or one.claimed_until < now) and one.user_id not in without_users
        ]  # fmt: skip
        orders = {one.order_id: self._world.orders[one.order_id] for one in ready}
        open_still = [one for one in orders.values() if may_be_sent(one, now)]
        if not open_still:
            return None
        first = min(
            open_still, key=lambda one: (one.turned_at is not None, one.turned_at or now, one.applied_at, one.id)
        )
        return min((one for one in ready if one.order_id == first.id), key=lambda one: one.seq)

    async def sold_out(self, account: UUID) -> frozenset[str]:
        since = utc_now() - SOLD_OUT_FOR
        return frozenset(
            code for (of, code), one in self._world.sold_out.items() if of == account and one.since > since
        )

    async def put_back(self, order: Order, item: OrderItem, *, after: float = 0, busy: bool = False) -> None:
        world, now = self._world, utc_now()
        held = world.order_items[order.id, item.seq]
        if world.orders[order.id].state in UNDER_WAY:
            alter(world.orders[order.id], turned_at=None)
        if held.outcome == "waiting" and held.claimed_until == item.claimed_until:
            alter(held, claimed_until=None)
            if after:
                alter(held, due_at=now + timedelta(seconds=after))
            if busy:
                alter(held, busy_since=held.busy_since or now)
        assert item.account_id is not None
        assert order.tenant_id is not None
        share = world.order_shares[item.account_id, order.tenant_id]
        alter(share, **{"pass": passed(share) - 1 / share.weight})

    async def over(self) -> Sequence[Over]:
        now, found = utc_now(), []
        for order in self._world.orders.values():
            outcomes = {one.outcome for one in self._world.items_of[order.id]}
            is_late = order.deadline is not None and order.deadline <= now
            not_all = order.change["buy"]["fulfilment"] == "all" and bool(outcomes & {"failed", "unresolved"})
            if order.state in UNDER_WAY and "waiting" in outcomes and (order.cancelled_at or is_late or not_all):
                found.append(Over(order.id, order.cancelled_at, is_late))
        return found

    async def give_up(
        self, order_id: UUID, these: list[int] | None, outcome: str, reason: str | None, words: str | None = None
    ) -> int:
        return give_up_items(
            self._world, order_id, these, outcome, reason, words or (NOT_BOUGHT[reason] if reason else None)
        )


class OrderWorkInMemory(OrderWork):
    def __init__(self, world: World) -> None:
        self._world = world

    async def close(self) -> bool:
        world, found = self._world, False
        for order in world.orders.values():
            counts = dict(Counter(one.outcome for one in world.items_of[order.id]))
            if order.state not in UNDER_WAY or counts.keys() & set(OPEN):
                continue
            state = final_state(counts, to_do=order.to_do, cancelled=order.cancelled_at is not None)
            alter(order, state=state, counts=counts, ended_at=utc_now())
            world.note(ACTIONS[f"order.{state}"])
            world.tell(f"order.{state}")
            found = True
        return found


def passed(share: OrderShare) -> float:
    """Its `pass`, which is no name in Python: a row here has the name of the column."""
    return float(share.__dict__["pass"])


def may_be_sent(order: Order, now: datetime) -> bool:
    return order.state in UNDER_WAY and order.cancelled_at is None and (order.deadline is None or order.deadline > now)


def item_to_send(world: World, ask: dict[str, Any], now: datetime) -> OrderItem | None:
    """The item that an admission is asked for; None where it waits no more, or must not be sent any more."""
    order_id = UUID(ask["order_id"])
    item, order = world.order_items.get((order_id, ask["seq"])), world.orders.get(order_id)
    if item is None or order is None or item.tenant_id != ask["tenant_id"]:
        return None
    if item.outcome != "waiting" or item.tries != ask["tries"] or not may_be_sent(order, now):
        return None
    lost = any(one.outcome in ("failed", "unresolved") for one in world.items_of[order_id])
    return None if lost and order.change["buy"]["fulfilment"] == "all" else item


def give_up_items(
    world: World, order_id: UUID, these: list[int] | None, outcome: str, reason: str | None, words: str | None
) -> int:
    """The function of that name. All items of an order are of one tenant and organisation, counted at one moment."""
    ended = [
        one
        for one in world.items_of.get(order_id, ())
        if one.outcome == "waiting" and (these is None or one.seq in these)
    ]
    for one in ended:
        alter(one, outcome=outcome, reason=reason, detail=words, ended_at=utc_now())
    if ended:
        quotas.move_ordered(world, ended[0], Counter(str(one.user_id) for one in ended), -1)
    return len(ended)


def item_follows(world: World, intent: Intent) -> None:
    """The function `item_follows_intent`, after the intent has moved."""
    if intent.order_id is None or intent.order_seq is None or intent.state == "doubtful":
        return
    item = world.order_items[intent.order_id, intent.order_seq]
    if item.intent_id != intent.id or item.outcome == "waiting":
        return
    now = utc_now()
    if intent.state == "owned":
        assert intent.number_id is not None
        number = world.numbers[intent.number_id]
        alter(item, outcome="done", reason=None, detail=None, number_id=number.id, ended_at=now)
        alter(item, phone_number=number.phone_number)
    elif intent.state == "unresolved":
        alter(item, outcome="unresolved", reason="unresolved", ended_at=now)
    elif intent.decision in AGAIN:
        wait_again(world, item, intent, now)
    else:
        reason = "refused" if intent.decision == "bad_request" else "nothing_bought"
        alter(item, outcome="failed", reason=reason, ended_at=now)
    order = world.orders[item.order_id]
    if order.ended_at is not None:
        alter(order, state="running", ended_at=None, counts=None)


def wait_again(world: World, item: OrderItem, intent: Intent, now: datetime) -> None:
    """To be asked for otherwise, or later: the quota that the intent has given back is the order's again."""
    none_there = intent.decision == "out_of_stock"
    pause = 0.0 if none_there else min(60.0, 0.5 * 2.0 ** min(item.tries, 7))
    sold_out = [*(item.sold_out or ()), intent.area_code] if none_there else item.sold_out
    alter(
        item, outcome="waiting", reason=intent.decision, tries=item.tries + 1, ended_at=None, busy_since=None,
        sold_out=sold_out, due_at=now + timedelta(seconds=pause),
    )  # fmt: skip
    quotas.move_ordered(world, item, {str(item.user_id): 1}, 1)
    if none_there:
        found = made(SoldOut, account_id=intent.account_id, area_code=intent.area_code, since=now)
        world.sold_out[intent.account_id, intent.area_code] = found


def tally(world: World, order_id: UUID) -> dict[tuple[str, str | None], int]:
    return dict(Counter((one.outcome, one.reason) for one in world.items_of[order_id]))
