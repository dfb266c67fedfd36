"""Orders, their items, and the numbers that they are about."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, any_, case, cast, func, insert, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.agents.models import AgentLink
from service.db import count_up
from service.inventory.filters import SEEN, Filters
from service.inventory.selecting import all_of
from service.inventory.sorting import Sort
from service.numbers.models import Number, Step
from service.orders.judgement import Facts, Reason
from service.orders.models import Order, OrderItem
from service.tenants.models import Tenant, User
from service.tenants.policy import Policy
from service.tenants.visible import Visible

# Numbers of one order.
MOST = 10_000
OPEN = ("waiting", "begun")
UNDER_WAY = ("pending", "running")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which numbers are meant, by one of the three. `said`: as it was asked for."""

    said: Mapping[str, Any]
    filters: Filters | None = None
    ids: tuple[UUID, ...] | None = None
    phone_numbers: tuple[str, ...] | None = None


def _among(column: Any, values: Collection[Any], kind: Any) -> ColumnElement[bool]:
    """As one parameter, however many there are."""
    found: ColumnElement[bool] = column == any_(cast(list(values), ARRAY(kind)))
    return found


class OrderRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    # -- The numbers ---------------------------------------------------------------------------------------------------

    async def selected(self, selection: Selection, visible: Visible) -> list[Facts]:
        """Those that are meant and visible, oldest acquisition first; MOST + 1 at most.

        Of an E.164 those that are held, else the latest.
        """
        if selection.filters is not None:
            found = all_of(selection.filters, visible, Sort(), SEEN.c.id, most=MOST + 1)
            return await self._facts(Number.id.in_(found))
        seen = visible.conditions(Number.__table__)
        if selection.ids is not None:
            return await self._facts(_among(Number.id, selection.ids, Uuid), *seen)
        asked = _among(Number.phone_number, selection.phone_numbers or (), Text)
        held = await self._facts(asked, Number.state != "released", *seen)
        others = set(selection.phone_numbers or ()).difference(one.phone_number for one in held)
        latest = (
            select(Number.id)
            .ext(distinct_on(Number.phone_number))
            .where(_among(Number.phone_number, others, Text), *seen)
            .order_by(Number.phone_number, Number.acquired_at.desc(), Number.id)
        )
        return [*held, *(await self._facts(Number.id.in_(latest)) if others else ())]

    async def facts_of(self, ids: Collection[UUID], *, lock: bool = False) -> dict[UUID, Facts]:
        """As they stand; with `lock` until the transaction ends."""
        return {one.id: one for one in await self._facts(_among(Number.id, ids, Uuid), lock=lock)}

    async def _facts(self, *conditions: ColumnElement[bool], lock: bool = False) -> list[Facts]:
        inbound, outbound = aliased(AgentLink), aliased(AgentLink)
        query = (
            select(Number, inbound.desired, outbound.desired)
            .outerjoin(inbound, (inbound.number_id == Number.id) & (inbound.direction == "inbound"))
            .outerjoin(outbound, (outbound.number_id == Number.id) & (outbound.direction == "outbound"))
            .where(*conditions)
            .order_by(Number.acquired_at, Number.id)
            .limit(MOST + 1)
        )
        if lock:
            query = query.with_for_update(of=Number)
        found = await self.session.execute(query.execution_options(populate_existing=True))
        return [_facts(*row) for row in found]

    async def policies(self, tenants: Collection[str]) -> dict[str, Policy]:
        found = await self.session.scalars(select(Tenant).where(_among(Tenant.id, tenants, Text)))
        return {tenant.id: tenant.policy for tenant in found}

    async def users(self, ids: Collection[str]) -> frozenset[tuple[str, str]]:
        """Organisations and users with these ids."""
        if not ids:
            return frozenset()
        found = await self.session.execute(select(User.organization_id, User.id).where(_among(User.id, ids, Text)))
        return frozenset((organization, user) for organization, user in found)

    # -- Orders --------------------------------------------------------------------------------------------------------

    async def add(self, order: Order, items: Sequence[dict[str, Any]]) -> None:
        self.session.add(order)
        await self.session.flush()
        if items:
            await self.session.execute(insert(OrderItem), [item | {"order_id": order.id} for item in items])

    async def get(self, order_id: UUID, *, lock: bool = False) -> Order | None:
        return await self.session.get(Order, order_id, with_for_update=lock or None, populate_existing=True)

    async def of_content(self, content: bytes) -> UUID | None:
        """The latest import of the same content that was not cancelled."""
        query = select(Order.id).where(Order.content == content, Order.state != "cancelled")
        found: UUID | None = await self.session.scalar(query.order_by(Order.created_at.desc()).limit(1))
        return found

    async def previews_open(self, actor: str, now: datetime, kinds: Sequence[str]) -> int:
        query = select(func.count()).where(
            Order.state == "previewed", Order.expires_at > now, Order.actor == actor, Order.kind.in_(kinds)
        )
        return await self.session.scalar(query) or 0

    async def page(
        self,
        states: Sequence[str] | None,
        whose: Sequence[ColumnElement[bool]],
        *,
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> tuple[Sequence[Order], int]:
        """Newest first; and how many there are, to COUNTED + 1. Without `states` all that were ever set going."""
        mine = [Order.state.in_(states) if states else Order.applied_at.is_not(None), *whose]
        beyond = [tuple_(Order.created_at, Order.id) < tuple_(*after)] if after else []
        query = select(Order).where(*mine, *beyond).order_by(Order.created_at.desc(), Order.id.desc()).limit(limit)
        total = await count_up(self.session, select(literal(1)).select_from(Order).where(*mine))
        return (await self.session.scalars(query)).all(), total

    # -- Items ---------------------------------------------------------------------------------------------------------

    async def items(
        self, order_id: UUID, *, outcome: str | None = None, after: int = -1, limit: int = MOST
    ) -> Sequence[OrderItem]:
        """In the order in which they were shown."""
        query = select(OrderItem).where(OrderItem.order_id == order_id, OrderItem.seq > after)
        if outcome is not None:
            query = query.where(OrderItem.outcome == outcome)
        return (await self.session.scalars(query.order_by(OrderItem.seq).limit(limit))).all()

    async def tally(self, order_ids: Collection[UUID]) -> dict[UUID, dict[tuple[str, str | None], int]]:
        """How many items of each order came to which outcome, for which reason."""
        query = (
            select(OrderItem.order_id, OrderItem.outcome, OrderItem.reason, func.count())
            .where(_among(OrderItem.order_id, order_ids, Uuid))
            .group_by(OrderItem.order_id, OrderItem.outcome, OrderItem.reason)
        )
        found: dict[UUID, dict[tuple[str, str | None], int]] = {one: {} for one in order_ids}
        for order_id, outcome, reason, count in await self.session.execute(query):
            found[order_id][outcome, reason] = count
        return found

    async def cancel_waiting(self, order_id: UUID) -> None:
        """Those that nobody has begun. What was reserved for them is given back."""
        await self.session.execute(select(func.give_up_items(order_id, None, "cancelled", None, None)))
        await self.session.execute(
            update(OrderItem)
            .where(OrderItem.order_id == order_id, OrderItem.outcome == "waiting")
            .values(outcome="cancelled", ended_at=func.clock_timestamp())
        )

    async def skip(self, order_id: UUID, why: Mapping[int, tuple[Reason, str]], now: datetime) -> None:
        """Items by their place, each for a reason and in words."""
        if why:
            await self.session.execute(
                update(OrderItem),
                [
                    {
                        "order_id": order_id, "seq": seq, "outcome": "skipped", "reason": reason, "detail": detail,
                        "ended_at": now,
                    }
                    for seq, (reason, detail) in why.items()
                ],
            )  # fmt: skip

    # -- For the worker ------------------------------------------------------------------------------------------------

    async def with_waiting(self, account: UUID) -> Sequence[UUID]:
        """Orders with items of this account that nobody has begun, in the order in which they were set going."""
        waiting = select(OrderItem.seq).where(
            OrderItem.order_id == Order.id, OrderItem.account_id == account, OrderItem.outcome == "waiting"
        )
        changes = select(Order.id).where(Order.kind != "buy", Order.state.in_(UNDER_WAY), waiting.exists())
        query = changes.order_by(Order.applied_at)
        return (await self.session.scalars(query)).all()

    async def start(self, order_ids: Collection[UUID]) -> None:
        """Those that nobody has begun anything of are running from now on."""
        await self.session.execute(
            update(Order).where(_among(Order.id, order_ids, Uuid), Order.state == "pending").values(state="running")
        )

    async def next_waiting(self, order_id: UUID, account: UUID) -> OrderItem | None:
        """Held until the transaction ends; passing over those that others hold."""
        found: OrderItem | None = await self.session.scalar(
            select(OrderItem)
            .where(OrderItem.order_id == order_id, OrderItem.account_id == account, OrderItem.outcome == "waiting")
            .order_by(OrderItem.seq)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        return found

    async def begun(self, account: UUID) -> tuple[int, int]:
        """Items under way: all, and those whose step is due or being done."""
        now = (Step.state == "running") | (Step.due_at <= func.clock_timestamp())
        query = (
            select(func.count(), func.count().filter(now))
            .select_from(OrderItem)
            .join(Step, Step.id == OrderItem.step_id)
            .where(OrderItem.account_id == account, OrderItem.outcome == "begun")
        )
        everything, due = (await self.session.execute(query)).one()
        return everything, due

    async def settle(self, account: UUID) -> int:
        """What became of the items whose steps are over. Returns of how many."""
        settled = (
            update(OrderItem)
            .where(
                OrderItem.account_id == account,
                OrderItem.outcome == "begun",
                Step.id == OrderItem.step_id,
                Step.state.in_(("done", "failed", "unresolved")),
            )
            .values(
                outcome=Step.state,
                # A step that failed was refused by Teli, or came too late; the words are its own.
                reason=case((Step.state == "done", None), (Step.state == "failed", "refused"), else_="unresolved"),
                detail=case((Step.state == "done", None), else_=Step.outcome),
                ended_at=func.clock_timestamp(),
            )
        )
        return len((await self.session.execute(settled.returning(OrderItem.seq))).all())

    async def over(self) -> Sequence[UUID]:
        """Orders under way of which nothing is left to do."""
        left = select(OrderItem.seq).where(OrderItem.order_id == Order.id, OrderItem.outcome.in_(OPEN))
        return (await self.session.scalars(select(Order.id).where(Order.state.in_(UNDER_WAY), ~left.exists()))).all()

    async def old_previews(self, ended_before: datetime, *, limit: int) -> Sequence[UUID]:
        query = select(Order.id).where(Order.state == "previewed", Order.expires_at < ended_before)
        return (await self.session.scalars(query.order_by(Order.expires_at).limit(limit))).all()


def _facts(number: Number, inbound: str | None, outbound: str | None) -> Facts:
    return Facts(
        id=number.id,
        account_id=number.account_id,
        phone_number=number.phone_number,
        acquired_at=number.acquired_at,
        state=number.state,
        tenant_id=number.tenant_id,
        organization_id=number.organization_id,
        user_id=number.user_id,
        nickname=number.nickname,
        cost_center=number.cost_center,
        tags=tuple(number.tags),
        holder_user_id=number.holder_user_id,
        inbound_agent_id=inbound,
        outbound_agent_id=outbound,
        idle_since=number.idle_since,
    )
