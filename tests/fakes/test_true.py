"""The twins in memory are true: whatever is asked, in whatever order, they answer as the stores over Postgres do."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.db import Database, open_database
from service.kit import clock
from service.numbers.ledger import Ledger
from service.numbers.repository import Numbers
from service.numbers.steps import Steps
from service.reconciliation.doubts import Doubts
from service.reconciliation.sightings import Sightings
from tests.fakes.both import Both, Still, Stores
from tests.fakes.doubts import DoubtsInMemory
from tests.fakes.ledger import LedgerInMemory
from tests.fakes.numbers import NumbersInMemory
from tests.fakes.questions import KINDS, Questions, questions_of
from tests.fakes.scene import scene
from tests.fakes.sightings import SightingsInMemory
from tests.fakes.steps import StepsInMemory
from tests.fakes.world import World
from tests.support.simulated_time import SimulatedPostgres

WINDOW = timedelta(seconds=100)
ORDINARILY, IN_CI, IN_FULL = 40, 1_000, 10_000
PARTS = 10
SEEDS = st.integers(0, 2**32 - 1)
SEQUENCES = st.one_of(
    [st.lists(st.tuples(st.sampled_from(questions_of(kind)), SEEDS), min_size=10, max_size=50) for kind in KINDS]
)


@pytest.fixture
def still() -> Iterator[Still]:
    was, clock.source = clock.source, Still()
    yield clock.source
    clock.source = was


@pytest.fixture
async def stores(simulated: SimulatedPostgres) -> AsyncIterator[Stores]:
    api = open_database(simulated.url, "numbergate_api", pool=1)
    worker = open_database(simulated.url, "numbergate_worker", pool=1)
    yield Stores(over(api), over(worker))
    await api.engine.dispose()
    await worker.engine.dispose()


def over(database: Database) -> Mapping[str, Any]:
    return {
        "ledger": Ledger(database),
        "steps": Steps(database),
        "numbers": Numbers(database),
        "sightings": Sightings(database, window=WINDOW),
        "doubts": Doubts(database),
    }


def in_memory(world: World) -> Mapping[str, Any]:
    return {
        "ledger": LedgerInMemory(world),
        "steps": StepsInMemory(world),
        "numbers": NumbersInMemory(world),
        "sightings": SightingsInMemory(world, window=WINDOW),
        "doubts": DoubtsInMemory(world),
    }


async def play(
    postgres: SimulatedPostgres, still: Still, stores: Stores, seed: int, questions: list[tuple[str, int]]
) -> None:
    """Raises: Difference, with all that was asked before."""
    still.begin()
    world = scene(Random(seed))
    both = Both(postgres, still, world, stores, in_memory(world))
    await both.begin()
    playing = Questions(both)
    for name, detail in questions:
        await playing.ask(name, Random(detail))
    await both.check()


def sequences(most: int) -> settings:
    # The fixtures begin anew with each sequence by themselves; a sequence is many draws, and takes its time.
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=most, suppress_health_check=checks)


@sequences(IN_CI if settings.get_current_profile_name() == "deep" else ORDINARILY)
@given(seed=SEEDS, questions=SEQUENCES)
async def test_the_twins_and_the_real_stores_give_the_same_answers_and_hold_the_same_rows(
    simulated: SimulatedPostgres, still: Still, stores: Stores, seed: int, questions: list[tuple[str, int]]
):
    await play(simulated, still, stores, seed, questions)


@pytest.mark.full
@pytest.mark.parametrize("part", range(PARTS))
@sequences(IN_FULL // PARTS)
@given(seed=SEEDS, questions=SEQUENCES)
async def test_ten_thousand_sequences_show_no_difference(
    part: int, simulated: SimulatedPostgres, still: Still, stores: Stores, seed: int, questions: list[tuple[str, int]]
):
    await play(simulated, still, stores, seed, questions)
