"""Schedules of faults: none breaks a promise, and each is the same whenever and wherever its seed is run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.runner import Tally, digests, run_chunk, run_many
from tests.simulation.schedule import describe, run

ROOT = Path(__file__).parents[2]
A_THIRD = 1 / 3


def assert_promises_hold(tally: Tally) -> None:
    assert tally.violations == {}
    assert tally.mean_share >= A_THIRD
    assert tally.purchases > tally.schedules
    assert tally.releases > tally.restored > 0
    assert tally.recycled > 0
    assert tally.orders > tally.cancelled > 0
    assert tally.ordered > 0


def digests_elsewhere(first: int, end: int, *, hash_seed: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.simulation.digests", str(first), str(end)],
        capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )  # fmt: skip
    return ran.stdout.split()


def test_no_schedule_breaks_a_promise():
    assert_promises_hold(run_chunk(range(60)))


def test_a_seed_is_the_same_schedule_every_time():
    assert digests(range(10)) == digests(range(10))


def test_a_seed_is_the_same_schedule_in_another_process():
    assert digests_elsewhere(7, 8, hash_seed="12345") == digests(range(7, 8))


def test_a_kept_trace_changes_nothing():
    kept = run(3, keep_trace=True)

    assert kept.trace
    assert kept.digest == run(3).digest


def test_a_description_is_of_the_schedule_that_runs():
    told = describe(5)

    assert told == describe(5)
    assert told["weather"] and told["users"] and told["tenants"]


@pytest.mark.ci
@pytest.mark.timeout(900)
def test_thousands_of_schedules_break_no_promise(said):
    tally = run_many(range(20_000), seconds=60)

    said(f"Schedules, as many of 20,000 as a minute allows:\n{tally.told()}")
    assert_promises_hold(tally)


@pytest.mark.ci
@pytest.mark.timeout(900)
def test_eighty_seeds_are_the_same_everywhere(said):
    here = digests(range(80))

    again, elsewhere = digests(range(80)), digests_elsewhere(0, 80, hash_seed="54321")
    assert here == again == elsewhere
    said(f"{len(here)} seeds, each run three times, once with other hashes: byte-equal")


@pytest.mark.full
@pytest.mark.timeout(0)
def test_a_million_schedules_break_no_promise(said):
    tally = run_many(range(1_000_000))

    said(f"A million schedules:\n{tally.told()}")
    assert_promises_hold(tally)
