"""When a number that was not seen may be called absent."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.reconciliation.absence import Taken, proves_absence

ENDED = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = timedelta(seconds=900)


def at(seconds: float, *, complete: bool = True, trustworthy: bool = True) -> Taken:
    return Taken(ENDED + timedelta(seconds=seconds), complete, trustworthy)


def absent(*looks: Taken) -> bool:
    return proves_absence(looks, send_ended_at=ENDED, window=WINDOW)


def test_three_listings_a_minute_apart_the_last_after_the_window_prove_absence():
    assert absent(at(10), at(70), at(900))
    assert absent(at(900), at(960), at(1020))


def test_two_listings_never_do_however_late():
    assert not absent(at(10), at(10_000))


def test_nothing_is_proved_before_the_window_is_over():
    assert not absent(at(10), at(100), at(200), at(899))


def test_listings_close_together_count_once():
    assert not absent(at(840), at(870), at(899), at(901))
    assert not absent(at(900), at(901), at(902), at(903))


def test_a_last_listing_close_to_the_one_before_still_counts_when_others_are_apart():
    assert absent(at(100), at(200), at(890), at(905))


def test_listings_that_are_incomplete_or_do_not_show_what_we_hold_prove_nothing():
    assert not absent(at(10), at(100, complete=False), at(900))
    assert not absent(at(10), at(100, trustworthy=False), at(900))


def test_listings_begun_before_the_send_ended_prove_nothing():
    assert not absent(at(-1), at(100), at(900))


def test_a_short_window_shortens_the_distance_between_listings():
    window = timedelta(seconds=3)
    looks = [at(0), at(1), at(3)]
    assert proves_absence(looks, send_ended_at=ENDED, window=window)


@given(st.lists(st.tuples(st.floats(-100, 2000), st.booleans(), st.booleans()), max_size=12))
def test_more_listings_never_take_a_proof_away(drawn):
    looks = [at(seconds, complete=complete, trustworthy=trustworthy) for seconds, complete, trustworthy in drawn]
    for taken in range(len(looks)):
        if absent(*looks[:taken]):
            assert absent(*looks)
