"""What is sent again, and what is told when it is not."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from service.client import errors
from service.client.retrying import Attempts, leaves_a_doubt

LOST = errors.NoAnswer("lost", sent=True)
UNSENT = errors.NoAnswer("refused", sent=False)
PROXY = errors.refused(502, None)
BUG = errors.refused(500, {"code": "internal_error"})
BUSY = errors.refused(503, {"code": "lane_busy"}, retry_after=1)
RATE = errors.refused(429, {"code": "rate_limited"}, retry_after=2)
FULL = errors.refused(429, {"code": "quota_exceeded"}, retry_after=2)
WRONG = errors.refused(400, {"code": "invalid_request"})
NONE_LEFT = errors.refused(409, {"code": "no_numbers_available"})
REPLAYED = errors.refused(502, {"code": "upstream_refused"}, replayed=True)
WAITS = errors.refused(409, {"code": "idempotency_key_in_progress"}, retry_after=1)
LATER = errors.refused(503, {"code": "purchases_stopped"}, retry_after=60)
FAILURES = [LOST, UNSENT, PROXY, BUG, BUSY, RATE, FULL, WRONG, NONE_LEFT, REPLAYED, WAITS, LATER]


def attempts(**changed: Any) -> Attempts:
    terms: dict[str, Any] = {"changes": True, "repeatable": True, "idempotency_key": "k", "within": 30.0}
    return Attempts(**terms | changed)


@pytest.mark.parametrize("failure", [LOST, UNSENT, PROXY, BUG, BUSY, RATE, WAITS])
def test_what_may_pass_is_sent_again_with_a_key(failure: errors.NumbergateError):
    assert 0 < attempts().pause_after(failure, spent=0) <= 3


@pytest.mark.parametrize("failure", [FULL, WRONG, NONE_LEFT, REPLAYED, LATER])
def test_what_does_not_pass_in_time_is_told_at_once(failure: errors.NumbergateError):
    with pytest.raises(type(failure)) as told:
        attempts().pause_after(failure, spent=0)
    assert told.value is failure


@pytest.mark.parametrize("failure", [LOST, PROXY, BUG])
def test_what_may_have_been_done_is_never_sent_again_without_a_key(failure: errors.NumbergateError):
    with pytest.raises(errors.OutcomeUnknown, match="look before it is asked again"):
        attempts(repeatable=False, idempotency_key=None).pause_after(failure, spent=0)


def test_a_refusal_after_a_lost_answer_does_not_say_that_nothing_was_bought():
    after_a_loss = attempts()
    after_a_loss.pause_after(LOST, spent=0)

    with pytest.raises(errors.OutcomeUnknown, match="idempotency_key='k'") as told:
        after_a_loss.pause_after(FULL, spent=1)
    assert told.value.__cause__ is FULL


@pytest.mark.parametrize("failure", [NONE_LEFT, REPLAYED])
def test_what_is_told_of_the_key_settles_it_after_a_lost_answer_too(failure: errors.NumbergateError):
    after_a_loss = attempts()
    after_a_loss.pause_after(LOST, spent=0)

    with pytest.raises(type(failure)):
        after_a_loss.pause_after(failure, spent=1)


@given(
    failures=st.lists(st.sampled_from(FAILURES), min_size=1, max_size=30),
    changes=st.booleans(),
    keyed=st.booleans(),
    within=st.floats(0, 60),
    chance=st.floats(0, 1, exclude_max=True),
)
@example(failures=[LOST] * 30, changes=True, keyed=True, within=60.0, chance=0.999)
def test_attempts_end_in_time_and_no_doubt_is_told_as_a_refusal(
    failures: list[errors.NumbergateError], changes: bool, keyed: bool, within: float, chance: float
):
    trying = attempts(
        changes=changes, repeatable=keyed or not changes, idempotency_key="k" if keyed else None, within=within,
        chance=lambda: chance,
    )  # fmt: skip
    spent, doubt = 0.0, False
    for failure in failures:
        doubt |= leaves_a_doubt(failure)
        pause = tried(trying, failure, spent)
        if isinstance(pause, errors.OutcomeUnknown):
            assert changes and doubt
            return
        if isinstance(pause, errors.NumbergateError):
            assert pause is failure
            assert not (changes and doubt) or failure in (NONE_LEFT, REPLAYED)
            return
        assert pause >= (failure.retry_after or 0)
        assert not leaves_a_doubt(failure) or keyed or not changes, "sent again although it may have been done"
        spent += pause
        assert spent <= within


def tried(trying: Attempts, failure: errors.NumbergateError, spent: float) -> float | errors.NumbergateError:
    try:
        return trying.pause_after(failure, spent=spent)
    except errors.NumbergateError as told:
        return told
