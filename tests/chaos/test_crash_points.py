"""Real processes, killed at every crash point, and what became of it, by the carrier's own count.

With `CHAOS_SEED` the points are those of the run that printed it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import cycle
from random import Random, SystemRandom
from statistics import median, quantiles

import hypothesis
import pytest

from tests.chaos.points import points
from tests.chaos.program import LEASE
from tests.chaos.stage import TIMES, Stage, stage, stages
from tests.chaos.strike import Blow, Outcome, strike
from tests.chaos.tour import Passings, tour
from tests.conftest import Engines
from tests.simulator.program import Simulator

pytestmark = [pytest.mark.processes, pytest.mark.ci]

DEEP = hypothesis.settings.get_current_profile_name() != "default"
KILLS = 45 if DEEP else 3
KILLS_IN_FULL = 100
AT_ONCE = 3 if DEEP else 2
SEED = int(os.environ.get("CHAOS_SEED") or (SystemRandom().randrange(1_000_000) if DEEP else 1))
Tell = Callable[[str, object], None]


@pytest.fixture(scope="module")
async def opened(engines: Engines, template: str, teli_process: Simulator) -> AsyncIterator[list[Stage]]:
    async with stages(engines, template, teli_process, AT_ONCE) as found:
        yield found


@pytest.fixture(scope="module")
async def passings(opened: list[Stage]) -> Passings:
    return await tour(opened[0])


async def test_the_workload_passes_every_point_that_has_no_reason_why_not(passings: Passings):
    assert passings.missing() == []


async def test_killed_at_its_crash_points_it_buys_once_loses_nothing_and_leaves_nothing_stuck(
    opened: list[Stage], passings: Passings, record_property: Tell
):
    chance = Random(SEED)
    where = chance.sample(points(), len(points()))

    outcomes = await strike_all(opened, blows(passings, where, chance), kills=KILLS)

    record_property("told", summary(outcomes, f"crash points, seed {SEED}: "))


@pytest.mark.full
@pytest.mark.parametrize("point", points())
async def test_killed_a_hundred_times_at_one_point(
    point: str, passings: Passings, engines: Engines, template: str, teli_process: Simulator, record_property: Tell
):
    chance = Random(f"{SEED} {point}")
    async with stages(engines, template, teli_process, AT_ONCE) as found:
        outcomes = await strike_all(found, blows(passings, [point], chance), kills=KILLS_IN_FULL)
    record_property("told", summary(outcomes, f"{point}, seed {SEED}: "))


async def test_killed_while_an_account_is_first_listed_what_it_held_is_existing_and_no_orphan(
    engines: Engines, template: str, teli_process: Simulator
):
    before, after = "TeliClient.organizations:before", "TeliClient.organizations:after"
    async with stage(engines, template, teli_process, worker_dies_at=(before, "1")) as found:
        await found.worker.process.wait()
        [held] = await found.teli.dashboard_buy("313", found.organization, found.user)
        await found.worker.start(after, "1")
        await found.worker.process.wait()
        assert await found.sql("SELECT listed_at FROM accounts") == [(None,)]

        await found.worker.start()
        await found.until_listed()

        assert (held,) in await found.sql("SELECT phone_number FROM existing_numbers")
        assert await found.sql("SELECT * FROM orphans") == []


def blows(passings: Passings, where: list[str], chance: Random) -> Iterator[Blow]:
    """Without end, one point after the other."""
    return (passings.blow(point, chance.randrange(1_000_000)) for point in cycle(where))


async def strike_all(opened: list[Stage], blows: Iterator[Blow], *, kills: int) -> list[Outcome]:
    """So many kills; each stage takes the next blow as soon as it has come through the last."""
    outcomes: list[Outcome] = []
    under_way = 0

    async def take(one: Stage) -> None:
        nonlocal under_way
        while len(outcomes) + under_way < kills:
            under_way += 1
            outcome = await strike(one, next(blows))
            under_way -= 1
            if outcome is not None:
                outcomes.append(outcome)

    async with asyncio.TaskGroup() as group:
        for one in opened:
            group.create_task(take(one))
    return outcomes


def summary(outcomes: list[Outcome], began: str) -> str:
    took = sorted(outcome.seconds for outcome in outcomes if outcome.seconds is not None)
    people = sum(outcome.left_to_a_person for outcome in outcomes)
    times = ", ".join(f"{name.removeprefix('NUMBERGATE_').lower()} {value}" for name, value in TIMES.items())
    told = f"{began}{len(outcomes)} kills at {len({outcome.blow.point for outcome in outcomes})} points; "
    if took:
        p95 = quantiles(took, n=20, method="inclusive")[-1] if len(took) > 1 else took[0]
        told += (
            f"from restart to resolution median {median(took):.1f} s, p95 {p95:.1f} s, most {took[-1]:.1f} s, where"
            f" something was open ({len(took)}); "
        )
    return f"{told}releases left to a person: {people} (leases {LEASE:g} s, {times})"
