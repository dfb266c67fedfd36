"""Which points a process passes in the course of the workload, and how often."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import httpx

from tests.chaos.child import Role
from tests.chaos.points import points
from tests.chaos.stage import Stage
from tests.chaos.strike import Blow, begin_in_lane_mode, until_resolved
from tests.chaos.workload import QUOTA, Workload

# Some points are passed by who comes first, or not at all in one mode.
ROUNDS = 8


@dataclass(frozen=True)
class Passings:
    """How often each process passed each point, in so many rounds."""

    found: Mapping[Role, Mapping[str, int]]
    rounds: int

    def missing(self) -> list[str]:
        return sorted(set(points()) - {point for found in self.found.values() for point in found})

    def blow(self, point: str, seed: int) -> Blow:
        """One at this point: in which process, and at which passing of a round, as the seed says."""
        chance = Random(f"{seed} {point}")
        often = {role: found.get(point, 0) for role, found in self.found.items()}
        [role] = chance.choices(list(often), weights=list(often.values()))
        return Blow(role, point, chance.randint(1, max(1, often[role] // self.rounds)), seed)


async def tour(stage: Stage) -> Passings:
    """Rounds of the workload, in either mode by turns, until every point was passed, or for so many."""
    children = (stage.api, stage.worker)
    for child in children:
        await child.counts()
    rounds = 0
    async with httpx.AsyncClient(base_url=stage.api.url, timeout=10, verify=False, trust_env=False) as http:
        while True:
            rounds += 1
            await begin_in_lane_mode(stage, rounds % 2 == 1)
            workload = Workload(stage, await stage.tenant(http, quota=QUOTA))
            await workload.run()
            await until_resolved(stage, [workload.tenant.id])
            await workload.ask_again()
            seen = Passings({child.role: Counter(await child.passed()) for child in children}, rounds)
            if rounds == ROUNDS or (rounds > 1 and not seen.missing()):
                return seen
