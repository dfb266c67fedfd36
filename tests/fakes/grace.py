"""Releases with second thoughts in memory."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from service.http.problems import problem_body
from service.idempotency.once import Once
from service.kit.clock import utc_now
from service.kit.errors import NotFound, StateConflict
from service.numbers.grace import MISSING, RESTORED, TOO_LATE, Grace, grace_ends
from service.numbers.lookup import Named
from service.numbers.models import Number
from service.tenants.principals import Principal
from tests.fakes import quotas
from tests.fakes.world import World, alter


class GraceInMemory(Grace):
    """For tenants alone: no administrator acts in a schedule."""

    def __init__(self, world: World, *, grace: timedelta) -> None:
        self._world = world
        self._grace = grace

    async def schedule(
        self, caller: Principal, which: Named, *, reason: str | None, force: bool, request_id: str, once: Once
    ) -> UUID:
        world, once = self._world, replace(once, owner=caller.tenant)
        if (named := world.before(once)) is not None:
            return UUID(named.answer["number_id"])
        number = self._held(caller, which)
        if number.state == "missing":
            raise StateConflict(MISSING)
        if number.state == "active":
            ends_at = grace_ends(acquired_at=number.acquired_at, asked_at=utc_now(), grace=self._grace)
            quotas.count_release(world, number, utc_now())
            alter(number, state="release_scheduled")
            after = (ends_at - utc_now()).total_seconds()
            world.owe(
                caller.tenant,
                number.id,
                "release",
                after=after,
                actor=caller.actor,
                request_id=request_id,
                given=[],
                reason=reason,
            )
            world.note("number.release_scheduled")
            world.tell("number.release_scheduled")
        world.keep(once, answer={"number_id": str(number.id)})
        return number.id

    async def restore(
        self, caller: Principal, which: Named, *, reason: str | None, request_id: str, once: Once
    ) -> UUID:
        world, once = self._world, replace(once, owner=caller.tenant)
        if (named := world.before(once)) is not None:
            return UUID(named.answer["number_id"])
        number = self._held(caller, which)
        if number.state not in ("active", "release_scheduled"):
            raise StateConflict(TOO_LATE.format(number.state))
        if number.state == "release_scheduled":
            alter(number, state="active")
            step = world.release_owed(number.id)
            said = problem_body(StateConflict(RESTORED), request_id)
            world.end_step(
                step,
                state="cancelled",
                outcome="restored",
                ended_at=utc_now(),
                lease_until=None,
                answer={"status": 409, "body": said.decode()},
            )
            quotas.take_release_back(world, number, step.created_at)
            world.note("number.restored")
            world.tell("number.restored")
        world.keep(once, answer={"number_id": str(number.id)})
        return number.id

    def _held(self, caller: Principal, which: Named) -> Number:
        named = [
            one
            for one in self._world.numbers.values()
            if one.tenant_id == caller.tenant and which in (one.id, one.phone_number)
        ]
        if not named:
            raise NotFound
        return max(named, key=lambda one: one.acquired_at)
