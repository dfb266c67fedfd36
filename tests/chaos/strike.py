"""One kill: a process dies at a point amid a tenant's work, is started again, and everything must come right."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from tests.chaos.audit import audit, rows_of, still_open
from tests.chaos.child import Child, Role
from tests.chaos.stage import Stage
from tests.chaos.workload import QUOTA, Workload

# A point that was passed in one round may be passed less often in another, or not at all.
ROUNDS = 3
RESOLVED_WITHIN = 90.0
LOOK_AGAIN = 0.1


@dataclass(frozen=True)
class Blow:
    """Where to strike. `seed` repeats the run."""

    role: Role
    point: str
    nth: int
    seed: int

    def __str__(self) -> str:
        return f"{self.role} at {self.point}, passing {self.nth}, seed {self.seed}"


@dataclass
class Outcome:
    """`seconds` from the restart until what the death had left open was resolved; None where it left nothing open.

    `left_to_a_person`: releases that nobody could prove.
    """

    blow: Blow
    seconds: float | None = None
    left_to_a_person: int = 0


@dataclass
class Watch:
    """Sees the process die, starts it again, and how long it takes until what was open then is resolved."""

    stage: Stage
    child: Child
    tenants: list[str] = field(default_factory=list)
    restarted: bool = False
    seconds: float | None = None

    async def run(self) -> None:
        await self.child.process.wait()
        began = time.monotonic()
        await self.child.start()
        self.restarted = True
        if was_open := await still_open(self.stage, self.tenants):
            async with asyncio.timeout(RESOLVED_WITHIN):
                while was_open & await still_open(self.stage, self.tenants):
                    await asyncio.sleep(LOOK_AGAIN)
            self.seconds = time.monotonic() - began


async def strike(stage: Stage, blow: Blow) -> Outcome | None:
    """None where the process came through alive, for it never passed there."""
    child = stage.child(blow.role)
    watch = Watch(stage, child)
    workloads: list[Workload] = []
    async with httpx.AsyncClient(base_url=stage.api.url, timeout=10, verify=False, trust_env=False) as http:
        await child.dies_at(blow.point, blow.nth)
        watching = asyncio.create_task(watch.run())
        try:
            for number in range(ROUNDS):
                await begin_in_lane_mode(stage, (blow.seed + number) % 2 == 0)
                tenant = await stage.tenant(http, quota=QUOTA)
                watch.tenants.append(tenant.id)
                workloads.append(Workload(stage, tenant))
                await workloads[-1].run()
                await until_resolved(stage, watch.tenants)
                if watch.restarted or child.dead:
                    break
            if watch.restarted or not await child.disarmed():
                await watching
            for workload in workloads:
                await workload.ask_again()
            await audit(stage, workloads)
            left = await releases_left_open(stage, watch.tenants)
            return Outcome(blow, watch.seconds, left) if watch.restarted else None
        except BaseException as error:
            error.add_note(f"{blow}\n{await rows_of(stage, watch.tenants)}\n{[one.heard for one in workloads]}")
            raise
        finally:
            watching.cancel()


async def until_resolved(stage: Stage, tenants: Sequence[str]) -> None:
    """Until nothing at all is open."""
    async with asyncio.timeout(RESOLVED_WITHIN):
        while await still_open(stage, tenants):
            await asyncio.sleep(LOOK_AGAIN)


async def begin_in_lane_mode(stage: Stage, lane: bool) -> None:
    await stage.sql("UPDATE accounts SET mode = $1", "lane" if lane else "mark")


async def releases_left_open(stage: Stage, tenants: Sequence[str]) -> int:
    query = "SELECT count(*) FROM steps WHERE tenant_id = ANY($1) AND kind = 'release' AND state = 'unresolved'"
    [(left,)] = await stage.sql(query, tenants)
    return int(left)
