"""Which step is done by whom; used by requests that want their own step done now, and by the worker for the rest."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select

from service.db import Database
from service.kit.types import TenantId
from service.numbers.changes import Changes
from service.numbers.confirm import Confirmation
from service.numbers.models import Step
from service.numbers.release import Release
from service.numbers.steps import Done, Later, Steps

log = structlog.get_logger()


class FollowUps:
    def __init__(self, database: Database, confirmation: Confirmation, changes: Changes, release: Release) -> None:
        self._database = database
        self._steps = Steps(database)
        self._performers: dict[str, Callable[[Step, TenantId | None], Awaitable[Done | Later]]] = {
            "confirm": confirmation.perform,
            "push": changes.push,
            "unmark": changes.unmark,
            "release": release.perform,
        }

    async def run_due(self, *, limit: int = 32) -> int:
        """Claim and perform what is due, for every tenant. Returns how many were claimed."""
        steps = await self._steps.claim(limit=limit)
        await asyncio.gather(*(self._perform(step, None) for step in steps))
        return len(steps)

    async def run_now(self, tenant: TenantId, step_id: UUID, *, within: float) -> Step:
        """Perform one step at once, if it can be claimed, and tell how it stands after at most `within` seconds.

        The step goes on if the time is over.
        """
        task = asyncio.create_task(self._claim_and_perform(tenant, step_id))
        await asyncio.wait({task}, timeout=within)
        if task.done():
            task.result()
        async with self._database.acting(tenant=tenant) as session:
            return (await session.scalars(select(Step).where(Step.id == step_id))).one()

    async def _claim_and_perform(self, tenant: TenantId, step_id: UUID) -> None:
        for step in await self._steps.claim(step_id=step_id, tenant=tenant):
            await self._perform(step, tenant)

    async def _perform(self, step: Step, tenant: TenantId | None) -> None:
        result: Done | Later
        try:
            result = await self._performers[step.kind](step, tenant)
        except Exception as error:
            log.error("a step failed unforeseen", exc_info=error, step=str(step.id), kind=step.kind)
            result = Later("failed unforeseen")
        await self._steps.close(step, result, tenant=tenant)


def operation_state(step: Step) -> str:
    states: dict[str, Any] = {"done": "succeeded", "failed": "failed", "unresolved": "unresolved"}
    return str(states.get(step.state, "pending"))
