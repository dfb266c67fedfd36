"""Months, counted from a purchase."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.kit.money import month_after, months_begun

MOMENTS = st.timedeltas(timedelta(0), timedelta(days=6000)).map(lambda since: at("2020-01-01T00:00:00") + since)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_days_that_a_month_lacks_do_not_shorten_the_months_after_it():
    assert month_after(at("2026-01-31T12:00:00"), 2) == at("2026-03-31T12:00:00")


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_the_next_charge_is_always_ahead_and_the_last_never_is(bought: datetime, held: timedelta):
    now = bought + held

    begun = months_begun(bought, now)

    assert month_after(bought, begun - 1) <= now < month_after(bought, begun)
