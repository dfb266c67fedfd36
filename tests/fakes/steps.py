"""Steps in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import NoResultFound

from service.kit.clock import utc_now
from service.kit.types import TenantId
from service.numbers.models import Step
from service.numbers.steps import LEASE, LONGEST_PAUSE, SEND_WITHIN, Done, Later, Steps
from service.teli.client import SendBy
from tests.fakes.world import World, alter, copy_of


class StepsInMemory(Steps):
    def __init__(self, world: World) -> None:
        self._world = world

    async def claim(
        self,
        *,
        step_id: UUID | None = None,
        tenant: TenantId | None = None,
        account: UUID | None = None,
        of_orders: bool | None = None,
        limit: int = 1,
    ) -> Sequence[Step]:
        world, now = self._world, utc_now()
        if step_id is None:
            due = [step for step in world.steps_due.values() if self._is_due(step, tenant, now)]
            if account is not None:
                due = [step for step in due if world.numbers[step.number_id].account_id == account]
            if of_orders is not None:
                due = [step for step in due if (step.order_id is not None) == of_orders]
            due.sort(key=lambda step: (step.due_at, step.id))
        else:
            named = world.steps_due.get(step_id)
            due = [named] if named is not None and named.tries == 0 and self._is_due(named, tenant, now) else []
        claimed = []
        for step in due[:limit]:
            if self._is_alone(step):
                alter(step, state="running", lease_until=now + timedelta(seconds=LEASE), tries=step.tries + 1)
                claimed.append(copy_of(step))
        return claimed

    def _is_due(self, step: Step, tenant: TenantId | None, now: datetime) -> bool:
        return (
            step.due_at <= now
            and (tenant is None or step.tenant_id == tenant)
            and (step.state == "waiting" or (step.lease_until is not None and step.lease_until < now))
            and self._is_alone(step)
        )

    def _is_alone(self, step: Step) -> bool:
        """No other step of its number is running."""
        return not any(one.state == "running" and one is not step for one in self._world.steps_of[step.number_id])

    async def get(self, step_id: UUID, tenant: TenantId | None) -> Step:
        step = self._world.steps.get(step_id)
        if step is None or (tenant is not None and step.tenant_id != tenant):
            raise NoResultFound
        return copy_of(step)

    async def about_to_send(self, step: Step, tenant: TenantId | None) -> SendBy | None:
        send_by, now = SendBy.within(SEND_WITHIN), utc_now()
        held = self._world.still_held(step, tenant)
        if held is None:
            return None
        alter(held, lease_until=now + timedelta(seconds=LEASE))
        if step.kind == "release":
            alter(held, sent_at=now)
        return send_by

    async def not_sent(self, step: Step, tenant: TenantId | None) -> None:
        if (held := self._world.still_held(step, tenant)) is not None:
            alter(held, sent_at=None)

    async def close(self, step: Step, result: Done | Later, *, tenant: TenantId | None = None) -> None:
        held, now = self._world.still_held(step, tenant), utc_now()
        if held is None:
            return
        alter(held, outcome=result.outcome[:500], lease_until=None)
        if isinstance(result, Done):
            self._world.end_step(held, state=result.state, ended_at=now, answer=result.answer)
        else:
            pause = result.after if result.after is not None else min(0.5 * 2 ** min(step.tries, 10), LONGEST_PAUSE)
            alter(held, state="waiting", due_at=now + timedelta(seconds=pause), answer=result.found)
