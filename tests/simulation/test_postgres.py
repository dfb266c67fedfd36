"""The same schedules over the real SQL, one step at a time: they keep every promise, and go as they do in memory."""

from collections.abc import Callable, Iterator
from time import perf_counter

import pytest

from tests.simulation.planted_sql import FAULTS, Planted, planted
from tests.simulation.postgres import Hung, InPostgres, in_postgres
from tests.simulation.schedule import run
from tests.support.simulated_time import SimulatedPostgres

IN_CI, IN_FULL = 4, 10_000
PARTS = 10
SEEDS_TO_CATCH_WITHIN = 100

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def backend(simulated: SimulatedPostgres) -> Iterator[InPostgres]:
    with in_postgres(simulated) as opened:
        yield opened


def play(seeds: range, backend: InPostgres) -> str:
    """Raises AssertionError for a violation, and for a schedule that goes otherwise than it does in memory."""
    calls = 0
    over_postgres = 0.0
    for seed in seeds:
        begun = perf_counter()
        report = run(seed, backend=backend)
        over_postgres += perf_counter() - begun
        calls += report.calls
        assert report.violations == [], f"seed {seed}"
        assert report.digest == run(seed).digest, f"seed {seed} goes otherwise in memory"
    rate = len(seeds) / over_postgres
    return f"over Postgres: {len(seeds)} schedules, {calls} calls, {rate:.1f} schedules a second; no violation"


@pytest.mark.ci
@pytest.mark.timeout(900)
def test_schedules_over_the_real_sql_keep_every_promise_and_go_as_in_memory(
    backend: InPostgres, record_property: Record
):
    record_property("told", play(range(IN_CI), backend))


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(PARTS))
def test_ten_thousand_schedules_over_the_real_sql_keep_every_promise(
    part: int, backend: InPostgres, record_property: Record
):
    each = IN_FULL // PARTS
    record_property("told", play(range(part * each, (part + 1) * each), backend))


def test_a_seed_over_the_real_sql_replays_to_the_letter(backend: InPostgres):
    first, second = (run(7, backend=backend, keep_trace=True) for _ in range(2))
    assert first.trace == second.trace
    assert first.digest == second.digest


@pytest.mark.ci
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_planted_in_the_sql_is_caught(fault: Planted, backend: InPostgres, record_property: Record):
    with planted(fault, backend):
        for seed in (fault.shown_by, *range(SEEDS_TO_CATCH_WITHIN)):
            if found := first_violation(seed, backend):
                record_property("told", f"over Postgres: {fault.name}: caught by seed {seed}: {found[:60]}")
                return
    pytest.fail(f"{SEEDS_TO_CATCH_WITHIN} seeds did not show that {fault.name}")


def first_violation(seed: int, backend: InPostgres) -> str | None:
    try:
        return next(iter(run(seed, backend=backend).violations), None)
    except Hung:
        return "a step never ends"
