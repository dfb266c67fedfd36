"""What a caller polls when an answer takes longer than it wants to wait."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.kit.clock import monotonic
from service.kit.errors import NotFound
from service.kit.waiting import wait_as
from service.numbers.drain import Drain
from service.numbers.follow_ups import operation_state
from service.numbers.models import Intent, Step
from service.numbers.purchases import OPERATION_STATES
from service.tenants.principals import Principal

KINDS = {"push": "update", "release": "release"}
# An operation of another kind than a number's, as `get` tells it; None where there is none of that id.
Elsewhere = Callable[[AsyncSession, UUID], Awaitable[dict[str, Any] | None]]


class Operations:
    """`elsewhere`: where else operations are kept that whoever asks may see."""

    def __init__(self, database: Database, drain: Drain, *elsewhere: Elsewhere) -> None:
        self._database = database
        self._drain = drain
        self._elsewhere = elsewhere

    async def get(
        self, caller: Principal, operation_id: UUID, *, wait: float, again: Callable[[], Awaitable[Principal]]
    ) -> dict[str, Any]:
        """An operation as it stands; one still pending is waited for, `wait` seconds at most. `again`: as `wait_as`
        asks it.

        Raises: NotFound, also for another tenant's.
        """
        until, pause = monotonic() + wait, 0.1
        while True:
            found = await self._look(caller, operation_id)
            left = self._drain.left(until)
            if found["state"] != "pending" or left <= 0:
                return found
            caller = await wait_as(caller, again, min(pause, left))
            pause = min(pause * 1.5, 1.0)

    async def _look(self, caller: Principal, operation_id: UUID) -> dict[str, Any]:
        async with self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
            intent = await session.get(Intent, operation_id)
            if intent is not None:
                return _purchase(intent)
            step = await session.scalar(select(Step).where(Step.id == operation_id, Step.kind.in_(KINDS)))
            if step is not None:
                return _change(step)
            for look in self._elsewhere:
                if (found := await look(session, operation_id)) is not None:
                    return found
            raise NotFound


def _purchase(intent: Intent) -> dict[str, Any]:
    state = OPERATION_STATES[intent.state]
    body = orjson.loads(intent.answer["body"]) if intent.answer else None
    return {
        "id": intent.id,
        "kind": "purchase",
        "state": state,
        "intent_state": intent.state,
        "created_at": intent.admitted_at,
        "ended_at": intent.decided_at,
        "number_id": intent.number_id,
        "result": body if state == "succeeded" else None,
        "problem": body if state == "failed" else None,
    }


def _change(step: Step) -> dict[str, Any]:
    state = operation_state(step)
    body = orjson.loads(step.answer["body"]) if step.answer and "body" in step.answer else None
    return {
        "id": step.id,
        "kind": KINDS[step.kind],
        "state": state,
        "created_at": step.created_at,
        "ended_at": step.ended_at,
        "number_id": step.number_id,
        "result": body if state == "succeeded" else None,
        "problem": body if state == "failed" else None,
    }
