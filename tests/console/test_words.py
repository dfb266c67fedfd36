"""How the console says what the API counts."""

import pytest

from service.console.rendering import is_amount, is_moment, last_day, of_many, words


@pytest.mark.parametrize(
    ("noun", "count", "told"),
    [
        ("numbers", 0, "0 numbers"), ("numbers", 1, "1 number"), ("numbers", 1234, "1,234 numbers"),
        ("entries", 1, "1 entry"), ("entries", 2, "2 entries"),
    ],
)  # fmt: skip
def test_one_is_one_and_many_are_many(noun: str, count: int, told: str):
    assert of_many(noun, count) == told


def test_days_end_with_their_last_one():
    assert last_day("2026-11-01") == "2026-10-31"


def test_micro_units_are_amounts_and_counts_are_none():
    assert [name for name in ("credited_micros", "spend_per_month", "lines", "amount") if is_amount(5, name)] == [
        "credited_micros", "spend_per_month", "amount",
    ]  # fmt: skip
    assert not is_amount(None, "spend_per_month")
    assert words("credited_micros") == "credited"


def test_times_of_the_log_are_told_by_name_and_form():
    assert is_moment("2026-12-03T20:41:33.128785Z", "release_at")
    assert not is_moment("2026-12-03T20:41:33Z", "nickname")
    assert not is_moment("whenever <b>we</b> like", "release_at")
    assert not is_moment(None, "release_at")
