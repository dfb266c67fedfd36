"""Work still owed to a number at Teli, done by whoever claims it, one step of a number at a time.

A step is claimed by a conditional UPDATE with a lease, performed with no transaction open, and ended or put off by
another. A claimant that dies lets its lease run out. `tries` grows with each claim and fences: whoever lost a step to
a later claimant can neither end it, nor put it off, nor begin to change anything at Teli for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, and_, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db import Database
from service.kit.types import TenantId, new_id
from service.numbers.models import Number, Step
from service.observability.metrics import STEPS
from service.teli.client import SendBy

# Longer than any one call to Teli, and than a listing together with a look at the users.
LEASE = 120.0
SEND_WITHIN = 10.0
LONGEST_PAUSE = 300.0


@dataclass(frozen=True, slots=True)
class Done:
    """The step is over. `answer` is {status, body} where it is an operation.

    `state`: done, failed, cancelled or unresolved.
    """

    outcome: str
    state: str = "done"
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Not yet. `after` seconds, or with None after a pause that doubles up to five minutes.

    `found` is what the next try must know of this one.
    """

    outcome: str
    after: float | None = None
    found: dict[str, Any] | None = None


LOST = Later("lost to a later claimant")
LOOKED_FOR_FIRST = Later("its row is looked for first", after=0)


def seconds(value: float) -> Any:
    """An interval of that many seconds, by the database's clock."""
    return func.make_interval(0, 0, 0, 0, 0, 0, value)


def called_for_at(step_id: UUID) -> ScalarSelect[datetime]:
    """When a step was called for, to be asked within a statement."""
    return select(Step.created_at).where(Step.id == step_id).scalar_subquery()


async def owe(
    session: AsyncSession,
    tenant: str,
    number_id: UUID,
    kind: str,
    *,
    after: float = 0,
    actor: str | None = None,
    request_id: str | None = None,
    given: Sequence[str] = (),
    told: dict[str, Any] | None = None,
    order_id: UUID | None = None,
    reason: str | None = None,
) -> UUID:
    """A new step, in the transaction of the change that calls for it. Returns its id.

    `actor` and `request_id` are who called for it, for the audit log; `given` the members that a push is about; `told`
    what the first try must know; `order_id` the order that it is one of many of; `reason` why it was called for.
    """
    step_id = new_id()
    due_at = func.clock_timestamp() + seconds(after)
    await session.execute(
        insert(Step).values(
            id=step_id,
            tenant_id=tenant,
            number_id=number_id,
            kind=kind,
            due_at=due_at,
            actor=actor,
            request_id=request_id,
            given=list(given),
            order_id=order_id,
            reason=reason,
            **({"answer": told} if told else {}),
        )
    )
    return step_id


def still_held(step: Step) -> ColumnElement[bool]:
    """The row of this step, while nobody claimed it since."""
    return and_(Step.id == step.id, Step.state == "running", Step.tries == step.tries)


_running = aliased(Step)
# Built once: what SQLAlchemy makes of an alias costs more than to ask.
_due = (
    select(Step.id)
    .where(
        or_(Step.state == "waiting", (Step.state == "running") & (Step.lease_until < func.clock_timestamp())),
        Step.due_at <= func.clock_timestamp(),
        # One whose lease is over still comes first: it can be claimed itself.
        ~exists().where(_running.number_id == Step.number_id, _running.state == "running", _running.id != Step.id),
    )
    .order_by(Step.due_at, Step.id)
    .with_for_update(skip_locked=True)
)


class Steps:
    """`tenant` None is the worker, who works for all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self,
        *,
        step_id: UUID | None = None,
        tenant: TenantId | None = None,
        account: UUID | None = None,
        of_orders: bool | None = None,
        limit: int = 1,
    ) -> Sequence[Step]:
        """Steps that are due, held by this caller until they are ended, put off, or their lease is over.

        With `account` only those of numbers that it bought; with `of_orders` only those that are one of many, or only
        the others.

        One that is named is claimed only for its first try: what failed once is the worker's, who sees every tenant.
        """
        query = _due.limit(limit)
        if step_id is not None:
            query = query.where(Step.id == step_id, Step.tries == 0)
        if account is not None:
            query = query.where(exists().where(Number.id == Step.number_id, Number.account_id == account))
        if of_orders is not None:
            query = query.where(Step.order_id.is_not(None) if of_orders else Step.order_id.is_(None))
        claimed: list[Step] = []
        async with self._database.acting(tenant=tenant) as session:
            for found in (await session.scalars(query)).all():
                taken = (
                    update(Step)
                    .where(Step.id == found)
                    .values(state="running", lease_until=func.clock_timestamp() + seconds(LEASE), tries=Step.tries + 1)
                    .returning(Step)
                )
                try:
                    async with session.begin_nested():
                        claimed.append((await session.scalars(taken)).one())
                except IntegrityError:
                    continue  # Another step of this number was taken a moment ago.
        return claimed

    async def get(self, step_id: UUID, tenant: TenantId | None) -> Step:
        async with self._database.acting(tenant=tenant) as session:
            return await session.get_one(Step, step_id)

    async def about_to_send(self, step: Step, tenant: TenantId | None) -> SendBy | None:
        """Renew the lease before Teli is told to change something; None for who has lost the step.

        Returns by when the request must leave: a process that was frozen meanwhile must not send what may be undone,
        done by another, or meant for a number that has been given out anew. Of a release it is kept when it left, for
        only that may not be sent again before everything has settled.
        """
        send_by = SendBy.within(SEND_WITHIN)
        sent = {"sent_at": func.clock_timestamp()} if step.kind == "release" else {}
        async with self._database.acting(tenant=tenant) as session:
            renewed = (
                update(Step).where(still_held(step)).values(lease_until=func.clock_timestamp() + seconds(LEASE), **sent)
            )
            held = await session.scalar(renewed.returning(Step.id))
        return send_by if held else None

    async def not_sent(self, step: Step, tenant: TenantId | None) -> None:
        """Nothing came of what was sent, for certain: there is nothing that must settle."""
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(update(Step).where(still_held(step)).values(sent_at=None))

    async def close(self, step: Step, result: Done | Later, *, tenant: TenantId | None = None) -> None:
        """End the step or put it off; nothing, where somebody else has claimed it since."""
        values: dict[str, Any]
        if isinstance(result, Done):
            values = {"state": result.state, "ended_at": func.clock_timestamp(), "answer": result.answer}
        else:
            pause = result.after if result.after is not None else min(0.5 * 2 ** min(step.tries, 10), LONGEST_PAUSE)
            values = {"state": "waiting", "due_at": func.clock_timestamp() + seconds(pause), "answer": result.found}
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(
                update(Step).where(still_held(step)).values(outcome=result.outcome[:500], lease_until=None, **values)
            )
        STEPS.labels(step.kind, result.state if isinstance(result, Done) else "later").inc()
