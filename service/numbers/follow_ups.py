"""Which step is done by whom; used by requests that want their own step done now, and by the worker for the rest."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any
from uuid import UUID

import structlog

from service.kit.clock import monotonic
from service.kit.errors import ServiceError, StorageUnavailable
from service.kit.types import TenantId
from service.numbers.changes import Changes
from service.numbers.confirm import Confirmation
from service.numbers.drain import Drain
from service.numbers.models import Step
from service.numbers.purchases import OperationState
from service.numbers.release import Release
from service.numbers.steps import Done, Later, Steps

# Steps that the worker has under way, of each account that it works for by itself.
AT_ONCE = 32
# Of these, those that are one of many at the most: who asks for one number need not wait for who asks for thousands.
OF_ORDERS_AT_ONCE = 16
# Those that are over, as operations; any other is pending.
STEP_STATES: dict[str, OperationState] = {
    "done": "succeeded",
    "failed": "failed",
    "cancelled": "failed",
    "unresolved": "unresolved",
}
log = structlog.get_logger()


class FollowUps:
    def __init__(
        self, steps: Steps, confirmation: Confirmation, changes: Changes, release: Release, drain: Drain
    ) -> None:
        self._drain = drain
        self._steps = steps
        self._performers: dict[str, Callable[[Step, TenantId | None], Awaitable[Done | Later]]] = {
            "confirm": confirmation.perform,
            "push": changes.push,
            "unmark": changes.unmark,
            "release": release.perform,
        }
        self._under_way: set[asyncio.Task[None]] = set()
        self._due: defaultdict[UUID | None, set[asyncio.Task[None]]] = defaultdict(set)
        self._of_orders: defaultdict[UUID | None, set[asyncio.Task[None]]] = defaultdict(set)

    async def begin_due(self, account: UUID | None = None) -> Collection[asyncio.Task[None]]:
        """Claim what is due, for every tenant, and begin it; waits only until there is room for one more.

        None waits for another: a number whose call to Teli takes its time holds up nobody else's. Nor does an account
        whose calls all do, where each is worked for by itself: `account`, else all of them together. What is one of
        many comes after what is not.
        """
        due, of_orders = self._due[account], self._of_orders[account]
        if len(due) >= AT_ONCE:
            await asyncio.wait(due, return_when=asyncio.FIRST_COMPLETED)
        steps = await self._steps.claim(account=account, of_orders=False, limit=AT_ONCE - len(due))
        begun = [self._begin(self._perform(step, None), due) for step in steps]
        room = min(OF_ORDERS_AT_ONCE - len(of_orders), AT_ONCE - len(due))
        if room > 0:
            many = await self._steps.claim(account=account, of_orders=True, limit=room)
            begun += [self._begin(self._perform(step, None), due, of_orders) for step in many]
        return begun

    async def finish(self) -> None:
        """Wait for what `begin_due` began."""
        while due := [task for tasks in self._due.values() for task in tasks]:
            await asyncio.wait(due)

    async def run_now(self, tenant: TenantId, step_id: UUID, *, within: float) -> Step:
        """Perform one step at once and tell how it stands after its first try, or after `within` seconds at most.

        While another step of the number runs, this one waits for its turn. A try goes on when the time is over.
        """
        until, pause = monotonic() + within, 0.02
        while True:
            task = self._begin(self._claim_and_perform(tenant, step_id), self._under_way)
            await self._drain.wait({task}, until=until)
            if task.done():
                task.result()
            step = await self._steps.get(step_id, tenant)
            untried = step.state == "running" or (step.state == "waiting" and step.tries == 0)
            left = self._drain.left(until)
            if not untried or left <= 0:
                return step
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, 0.5)

    async def drain(self) -> None:
        """Let what requests began come to its end; the worker takes over what does not within seconds."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=5)

    def _begin(self, work: Coroutine[Any, Any, None], *among: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        for tasks in among:
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    async def _claim_and_perform(self, tenant: TenantId, step_id: UUID) -> None:
        for step in await self._steps.claim(step_id=step_id, tenant=tenant):
            await self._perform(step, tenant)

    async def _perform(self, step: Step, tenant: TenantId | None) -> None:
        result: Done | Later
        try:
            result = await self._performers[step.kind](step, tenant)
        except ServiceError as error:
            log.warning("a step could not be done now", why=str(error), step=str(step.id), kind=step.kind)
            result = Later(str(error))
        except Exception as error:
            log.error("a step failed unforeseen", exc_info=error, step=str(step.id), kind=step.kind)
            result = Later("failed unforeseen")
        try:
            await self._steps.close(step, result, tenant=tenant)
        except StorageUnavailable:
            log.warning("a step could not be closed; it is claimed again when its lease is over", step=str(step.id))


def operation_state(step: Step) -> OperationState:
    return STEP_STATES.get(step.state, "pending")
