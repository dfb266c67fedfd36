"""Work still owed to a number at Teli, done by whoever claims it, one step of a number at a time.

A step is claimed by a conditional UPDATE with a lease, performed with no transaction open, and ended or put off by
another. A claimant that dies lets its lease run out; performing twice is harmless by each step's own care.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db import Database
from service.kit.types import TenantId, new_id
from service.numbers.models import Step
from service.observability.metrics import STEPS

LEASE = 120.0
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """The step is over. `answer` is {status, body} for a step that is an operation; `state` done, failed, unresolved."""

    outcome: str
    state: str = "done"
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Not yet. `after` seconds, or with None after a pause that doubles up to a minute."""

    outcome: str
    after: float | None = None


def seconds(value: float) -> Any:
    """An interval of that many seconds, by the database's clock."""
    return func.make_interval(0, 0, 0, 0, 0, 0, value)


async def owe(session: AsyncSession, tenant: str, number_id: UUID, kind: str, *, after: float = 0) -> UUID:
    """A new step, in the transaction of the change that calls for it. Returns its id."""
    step_id = new_id()
    due_at = func.clock_timestamp() + seconds(after)
    await session.execute(
        insert(Step).values(id=step_id, tenant_id=tenant, number_id=number_id, kind=kind, due_at=due_at)
    )
    return step_id


class Steps:
    """`tenant` None is the worker, who works for all."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, *, step_id: UUID | None = None, tenant: TenantId | None = None, limit: int = 1
    ) -> Sequence[Step]:
        """Steps that are due, held by this caller until they are ended, put off, or their lease is over."""
        now = func.clock_timestamp()
        running = aliased(Step)
        query = (
            select(Step.id)
            .where(
                or_(Step.state == "waiting", (Step.state == "running") & (Step.lease_until < now)),
                Step.due_at <= now,
                ~exists().where(
                    running.number_id == Step.number_id,
                    running.state == "running",
                    running.id != Step.id,
                    running.lease_until >= now,
                ),
            )
            .order_by(Step.due_at, Step.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        if step_id is not None:
            query = query.where(Step.id == step_id)
        claimed: list[Step] = []
        async with self._database.acting(tenant=tenant) as session:
            for found in (await session.scalars(query)).all():
                taken = (
                    update(Step)
                    .where(Step.id == found)
                    .values(state="running", lease_until=now + seconds(LEASE), tries=Step.tries + 1)
                    .returning(Step)
                )
                try:
                    async with session.begin_nested():
                        claimed.append((await session.scalars(taken)).one())
                except IntegrityError:
                    continue  # Another step of this number was taken a moment ago.
        return claimed

    async def close(self, step: Step, result: Done | Later, *, tenant: TenantId | None = None) -> None:
        """End the step or put it off."""
        STEPS.labels(step.kind, result.outcome).inc()
        values: dict[str, Any]
        if isinstance(result, Done):
            values = {"state": result.state, "ended_at": func.clock_timestamp(), "answer": result.answer}
        else:
            pause = result.after if result.after is not None else min(0.5 * 2 ** min(step.tries, 10), LONGEST_PAUSE)
            values = {"state": "waiting", "due_at": func.clock_timestamp() + seconds(pause)}
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(
                update(Step)
                .where(Step.id == step.id, Step.state == "running")
                .values(outcome=result.outcome, lease_until=None, **values)
            )
