"""When an attempt is made again, and when no more. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.circuit import (
    GIVES_UP_AFTER,
    JITTER,
    LONGEST_PAUSE,
    OPENS_AFTER,
    Health,
    Outcome,
    is_given_up,
    judged,
    next_try,
    pause,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
CHANCE = st.floats(0, 1)


def failed(seconds: float = 0, status: int | None = 500, **more: float) -> Outcome:
    return Outcome(START + timedelta(seconds=seconds), 0.1, status, "answered 500", **more)


def good(seconds: float = 0) -> Outcome:
    return Outcome(START + timedelta(seconds=seconds), 0.1, 200)


@given(st.integers(1, 10_000), CHANCE)
def test_pauses_double_to_an_hour_and_scatter_by_a_quarter(attempt: int, chance: float):
    middle = min(LONGEST_PAUSE, 5 * 2 ** min(attempt - 1, 30))
    assert middle * (1 - JITTER) <= pause(attempt, chance) <= middle * (1 + JITTER)
    assert pause(attempt, 0) <= pause(attempt + 1, 0)


def test_an_event_is_tried_for_three_days():
    at, attempts = START, 0
    while not is_given_up(START, Outcome(at, 0, 500, "x")):
        attempts += 1
        at = next_try(attempts, Outcome(at, 0, 500, "x"), 0.5)
    assert timedelta(days=3) <= at - START < timedelta(days=3, hours=2)
    assert 60 < attempts < 100


@pytest.mark.parametrize(("wished", "seconds"), [(0.0, 5.0), (60.0, 60.0), (1e9, LONGEST_PAUSE)])
def test_an_endpoint_that_says_when_is_asked_then_within_an_hour(wished: float, seconds: float):
    assert next_try(1, failed(retry_after=wished), 0.5) == START + timedelta(seconds=seconds)


@given(st.lists(st.booleans(), max_size=40), CHANCE)
def test_one_success_ends_what_failed_before(outcomes: list[bool], chance: float):
    told = [good(place) if ended else failed(place) for place, ended in enumerate(outcomes)]
    health = judged(Health(), told, chance)

    in_vain = 0
    for ended in reversed(outcomes):
        if ended:
            break
        in_vain += 1
    assert health.failures == in_vain
    assert (health.failing_since is None) == (in_vain == 0)
    assert (health.retry_at is not None) == (in_vain >= OPENS_AFTER)
    if in_vain:
        assert health.failing_since == told[-in_vain].at


def test_an_endpoint_that_failed_for_three_days_is_disabled():
    since = START - GIVES_UP_AFTER
    assert judged(Health(40, since), [failed()], 0.5).disabled == "failing"
    assert judged(Health(40, since + timedelta(seconds=1)), [failed()], 0.5).disabled is None
    assert judged(Health(40, since), [good()], 0.5).disabled is None


def test_an_endpoint_that_says_that_it_is_gone_is_disabled_at_once():
    assert judged(Health(), [failed(status=410)], 0.5).disabled == "gone"
