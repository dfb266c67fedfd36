"""What the worker does for orders of new numbers: claims items by turns, and sends each as any purchase is sent.

There is no leader. An item is claimed for a while by whichever worker has room; nothing of that is needed to be right:
the transaction that admits the purchase takes the item's reservation over, or finds that it waits no more. A worker
that dies before it leaves a claim that lapses; one that dies after it leaves an intent like any other, to be resolved.
What becomes of an intent becomes of its item in the same transaction (the database's `item_follows_intent`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args
from uuid import UUID, uuid5

import structlog

from service.db import CommitUnknown
from service.kit.clock import monotonic
from service.kit.errors import StorageUnavailable
from service.kit.types import OrganizationId, UserId
from service.numbers.errors import Draining
from service.numbers.policy import foreign_agents
from service.numbers.provisioning import Provisioning
from service.numbers.purchases import Ordered, Wish
from service.observability.metrics import ALARMS, ORDER_ITEMS
from service.orders.choosing import choose
from service.orders.models import Order, OrderItem
from service.orders.naming import Template
from service.orders.placing import name_of
from service.orders.queue import OrderQueue
from service.quotas.errors import QuotaExceeded, RateLimited
from service.tenants.keys import Unauthenticated
from service.tenants.principals import Principal, Principals

# Few, for what is claimed and finds no room is put back.
CLAIMED_AT_ONCE = 4
CLAIMS_IN_A_ROW = 8
# Seconds after which somebody else may have made room.
LOOK_AGAIN = 0.25
AGAIN: Mapping[str, float] = {"stopped": 1.0, "resting": 1.0, "not_listed": 2.0, "limited": 1.0, "lane": 1.0}
# Of whom nothing else is to be had either, for as long.
HOLDS_UP: "Mapping[str, HeldUp]" = {"stopped": "tenant", "lane": "user"}
NEVER: Mapping[str, str] = {"unknown_user": "not_a_user", "not_your_organization": "not_your_organization"}
HeldUp = Literal["tenant", "user"]
log = structlog.get_logger()


class Buying:
    """`_held_up`: until when, by the monotonic clock, tenants and owners of whom an item had to wait are not asked for
    again. Theirs stand first for as long as nothing of theirs is sent, and would come before all others each time.
    """

    def __init__(self, queue: OrderQueue, provisioning: Provisioning, principals: Principals) -> None:
        self._queue = queue
        self._provisioning = provisioning
        self._principals = principals
        self._under_way: defaultdict[UUID, set[asyncio.Task[Any]]] = defaultdict(set)
        self._at_once: defaultdict[UUID, int] = defaultdict(lambda: CLAIMED_AT_ONCE)
        self._held_up: dict[tuple[UUID, HeldUp, str], float] = {}

    async def send(self, account: UUID) -> bool:
        """Send what there is room for. Whether there may be more to send, at once.

        Raises: StorageUnavailable, CommitUnknown.
        """
        under_way = self._under_way[account]
        for _ in range(CLAIMS_IN_A_ROW):
            claimed = await self._queue.claim(
                account,
                most=self._at_once[account],
                without=self._held(account, "tenant"),
                without_users=self._held(account, "user"),
            )
            if not claimed:
                break
            full = False
            sold_out = await self._queue.sold_out(account)
            for place, (order, item) in enumerate(claimed):
                try:
                    full = not await self._send(order, item, account, sold_out)
                except Draining:
                    return False
                if full:
                    for later, untried in claimed[place + 1 :]:
                        await self._queue.put_back(later, untried)
                    break
            # Where there was no room, one place at a time becomes free.
            self._at_once[account] = 1 if full else min(2 * self._at_once[account], CLAIMED_AT_ONCE)
            if full:
                break
        else:
            return True  # Whoever asks may want to stop.
        if not under_way:
            return False
        await asyncio.wait(under_way, timeout=LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
        return True

    async def give_up(self) -> bool:
        """End what waits and must not be sent any more: it is cancelled, late, or not all can be had.

        Returns whether there was any.
        """
        found = await self._queue.over()
        for over in found:
            if over.cancelled_at is not None:
                await self._give_up(over.order_id, None, "cancelled", None)
            elif over.is_late:
                await self._give_up(over.order_id, None, "failed", "deadline_passed")
            else:
                await self._give_up(over.order_id, None, "cancelled", "not_all")
        return bool(found)

    async def _send(self, order: Order, item: OrderItem, account: UUID, sold_out: frozenset[str]) -> bool:
        """Whether there may be room for another. Raises: Draining; StorageUnavailable, CommitUnknown."""
        try:
            return await self._ask(order, item, account, sold_out)
        except (StorageUnavailable, CommitUnknown, Draining):
            raise
        except Exception as error:
            ALARMS.labels("order_item_failed").inc()
            log.error("an item of an order failed unforeseen", exc_info=error, order=str(order.id), seq=item.seq)
            await self._fail(order, item, "failed_unforeseen")
            return True

    async def _ask(self, order: Order, item: OrderItem, account: UUID, sold_out: frozenset[str]) -> bool:
        wanted = order.change["buy"]
        assert order.tenant_id is not None
        try:
            caller = _acting_for(order.actor, await self._principals.of_tenant(order.tenant_id))
        except Unauthenticated:
            await self._fail(order, item, "tenant_closed", of_all=True)
            return True
        allowed = [code for code in wanted["choices"] if caller.policy.allows_area_code(code)]
        code = choose(allowed, without=sold_out.union(item.sold_out or ()))
        if foreign_agents(caller.policy, wanted):
            await self._fail(order, item, "agent_not_allowed", of_all=True)
            return True
        if code is None:
            # Where it is not for what this one alone has heard, it is so of all of them.
            of_all = choose(allowed, without=sold_out) is None
            await self._fail(order, item, "no_numbers_available", of_all=of_all)
            return True
        ordered = Ordered(order.id, item.seq, item.tries, place_of(item), order.deadline)
        try:
            outcome, task = await self._provisioning.send_ordered(
                caller, _wish(order, item, code), ordered, order.request_id or str(order.id)
            )
        except (QuotaExceeded, RateLimited) as refusal:
            if isinstance(refusal, RateLimited) or refusal.passes:
                self._hold_up(order, item, "user" if refusal.members["quota"]["scope"] == "user" else "tenant")
                await self._queue.put_back(order, item, after=AGAIN["limited"])
            else:
                await self._fail(order, item, "quota_exceeded", refusal.detail)
            return True
        if outcome == "admitted":
            ORDER_ITEMS.labels("buy", "begun").inc()
            under_way = self._under_way[account]
            under_way.add(task)
            task.add_done_callback(lambda done: self._ended(done, order, item))
        elif outcome in NEVER:
            await self._fail(order, item, NEVER[outcome], of_all=outcome == "not_your_organization")
        elif outcome != "gone":
            if (whose := HOLDS_UP.get(outcome)) is not None:
                self._hold_up(order, item, whose)
            await self._queue.put_back(order, item, after=AGAIN.get(outcome, 0), busy=outcome in ("busy", "lane"))
            return whose is not None
        return True

    def _held(self, account: UUID, whose: HeldUp) -> list[str]:
        now = monotonic()
        self._held_up = {one: until for one, until in self._held_up.items() if until > now}
        return [name for of, kind, name in self._held_up if (of, kind) == (account, whose)]

    def _hold_up(self, order: Order, item: OrderItem, whose: HeldUp) -> None:
        self._held_up[_named(order, item, whose)] = monotonic() + LOOK_AGAIN

    def _ended(self, task: asyncio.Task[Any], order: Order, item: OrderItem) -> None:
        """What held its tenant and its owner up may have been this very purchase."""
        assert item.account_id is not None
        self._under_way[item.account_id].discard(task)
        for whose in get_args(HeldUp):
            self._held_up.pop(_named(order, item, whose), None)

    async def _fail(
        self, order: Order, item: OrderItem, reason: str, words: str | None = None, *, of_all: bool = False
    ) -> None:
        """It cannot be had; nor, where that is `of_all`, what waits beside it. Of all or none, nothing more is sent."""
        all_or_none = order.change["buy"]["fulfilment"] == "all"
        await self._give_up(order.id, None if of_all and not all_or_none else [item.seq], "failed", reason, words)
        if all_or_none:
            await self._give_up(order.id, None, "cancelled", "not_all")

    async def _give_up(
        self, order_id: UUID, these: list[int] | None, outcome: str, reason: str | None, words: str | None = None
    ) -> None:
        """`these`: None for all that wait."""
        given_up = await self._queue.give_up(order_id, these, outcome, reason, words)
        if given_up:
            ORDER_ITEMS.labels("buy", outcome).inc(given_up)


def _named(order: Order, item: OrderItem, whose: HeldUp) -> tuple[UUID, HeldUp, str]:
    name = order.tenant_id if whose == "tenant" else item.user_id
    assert item.account_id is not None
    assert name is not None
    return item.account_id, whose, name


def place_of(item: OrderItem) -> UUID:
    """The same whichever worker asks."""
    return uuid5(item.order_id, f"{item.seq}/{item.tries}")


def _wish(order: Order, item: OrderItem, code: str) -> Wish:
    wanted = order.change["buy"]
    assert item.organization_id is not None
    assert item.user_id is not None
    assert item.wanted is not None
    template = Template.of(wanted["nickname"]) if wanted["nickname"] else None
    return Wish(
        organization_id=OrganizationId(item.organization_id),
        user_id=UserId(item.user_id),
        area_code=code,
        nickname=name_of(template, item.wanted["nickname"], item.seq + 1, code, item.user_id),
        cost_center=wanted["cost_center"],
        tags=tuple(wanted["tags"]),
        inbound_agent_id=wanted["inbound_agent_id"],
        outbound_agent_id=wanted["outbound_agent_id"],
    )


def _acting_for(actor: str, tenant: Principal) -> Principal:
    """Who placed the order, as the audit log names him, with what his tenant may do now."""
    kind, _, name = actor.partition(":")
    if kind == "key":
        return replace(tenant, key_id=UUID(name))
    return replace(tenant, subject=name, kind="person" if kind == "person" else "service")
