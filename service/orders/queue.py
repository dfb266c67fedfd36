"""The items of orders of new numbers that wait to be sent, as the workers share them. Each method is a transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, func, select, text, update

from service.db import Database
from service.numbers.steps import seconds
from service.orders.judgement import NOT_BOUGHT
from service.orders.models import Order, OrderItem, OrderShare, SoldOut
from service.orders.repository import UNDER_WAY

CLAIMED_FOR = 15.0
# For so long Teli is not asked again for an area code in which it had none.
SOLD_OUT_FOR = timedelta(minutes=5)
GIVE_UP = text("SELECT give_up_items(:order, :these, :outcome, :reason, :words)")
CLAIM = text(
    "SELECT order_id, seq FROM claim_order_items(:account, :most, :seconds, :without, :without_users)"
).bindparams(bindparam("without", type_=ARRAY(Text)), bindparam("without_users", type_=ARRAY(Text)))


@dataclass(frozen=True, slots=True)
class Over:
    """An order whose waiting items must not be sent any more: it is cancelled, late, or else not all can be had."""

    order_id: UUID
    cancelled_at: datetime | None
    is_late: bool


class OrderQueue:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, account: UUID, *, most: int, without: Collection[str] = (), without_users: Collection[str] = ()
    ) -> Sequence[tuple[Order, OrderItem]]:
        """Items whose turn it is, held for a while by whoever asks; `without` these tenants, and these owners."""
        left_out = {"without": list(without), "without_users": list(without_users)}
        async with self._database.acting() as session:
            asked = {"account": account, "most": most, "seconds": CLAIMED_FOR} | left_out
            claimed = (await session.execute(CLAIM, asked)).all()
            return [
                (await session.get_one(Order, order_id), await session.get_one(OrderItem, (order_id, seq)))
                for order_id, seq in claimed
            ]

    async def sold_out(self, account: UUID) -> frozenset[str]:
        """Area codes in which Teli had none a moment ago."""
        lately = SoldOut.since > func.clock_timestamp() - SOLD_OUT_FOR
        async with self._database.acting() as session:
            found = await session.scalars(select(SoldOut.area_code).where(SoldOut.account_id == account, lately))
            return frozenset(found)

    async def put_back(self, order: Order, item: OrderItem, *, after: float = 0, busy: bool = False) -> None:
        """It waits on, and its turn was none, of its tenant's and of its order's. `busy`: for others, who come first,
        but not for ever.
        """
        values: dict[str, Any] = {"claimed_until": None}
        if after:
            values["due_at"] = func.clock_timestamp() + seconds(after)
        if busy:
            values["busy_since"] = func.coalesce(OrderItem.busy_since, func.clock_timestamp())
        async with self._database.acting() as session:
            # The order first, as whoever cancels it locks them.
            await session.execute(
                update(Order).where(Order.id == order.id, Order.state.in_(UNDER_WAY)).values(turned_at=None)
            )
            await session.execute(
                update(OrderItem)
                .where(
                    OrderItem.order_id == order.id, OrderItem.seq == item.seq, OrderItem.outcome == "waiting",
                    OrderItem.claimed_until == item.claimed_until,
                )
                .values(values)
            )  # fmt: skip
            await session.execute(
                update(OrderShare)
                .where(OrderShare.account_id == item.account_id, OrderShare.tenant_id == order.tenant_id)
                .values(pass_=OrderShare.pass_ - 1 / OrderShare.weight)
            )

    async def over(self) -> Sequence[Over]:
        lost = select(OrderItem.seq).where(
            OrderItem.order_id == Order.id, OrderItem.outcome.in_(("failed", "unresolved"))
        )
        waits = select(OrderItem.seq).where(OrderItem.order_id == Order.id, OrderItem.outcome == "waiting")
        late = func.coalesce(Order.deadline <= func.clock_timestamp(), False)
        all_or_none = (Order.change["buy"]["fulfilment"].astext == "all") & lost.exists()
        query = select(Order.id, Order.cancelled_at, late).where(
            Order.kind == "buy", Order.state.in_(UNDER_WAY), waits.exists(),
            Order.cancelled_at.is_not(None) | late | all_or_none,
        )  # fmt: skip
        async with self._database.acting() as session:
            return [Over(*row) for row in await session.execute(query)]

    async def give_up(
        self, order_id: UUID, these: list[int] | None, outcome: str, reason: str | None, words: str | None = None
    ) -> int:
        """End those that wait, and give back what was reserved for them. `these`: None for all. Returns how many."""
        words = words or (reason and NOT_BOUGHT[reason])
        said = {"order": order_id, "these": these, "outcome": outcome, "reason": reason, "words": words}
        async with self._database.acting() as session:
            return await session.scalar(GIVE_UP, said) or 0
