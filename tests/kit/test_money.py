"""What a number costs, month by month from its purchase."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.kit.money import Costs, Price, costs, month_after, months_begun

PRICE = Price(setup=1_000_000, monthly=2_990_000, currency="USD")
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=6000)).map(lambda since: at("2020-01-01T00:00:00") + since)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_purchase_costs_its_setup_and_its_first_month_at_once():
    bought = at("2026-01-31T12:00:00")

    assert costs(PRICE, acquired_at=bought, released_at=None, now=bought) == Costs(
        3_990_000, 2_990_000, at("2026-02-28T12:00:00"), "USD"
    )


def test_a_month_is_charged_at_its_first_moment_and_not_before():
    bought, renewed = at("2024-01-31T12:00:00"), at("2024-02-29T12:00:00")

    assert (
        costs(PRICE, acquired_at=bought, released_at=None, now=renewed - timedelta(microseconds=1)).to_date == 3_990_000
    )
    assert costs(PRICE, acquired_at=bought, released_at=None, now=renewed).to_date == 6_980_000


def test_days_that_a_month_lacks_do_not_shorten_the_months_after_it():
    assert month_after(at("2026-01-31T12:00:00"), 2) == at("2026-03-31T12:00:00")


def test_what_was_released_costs_no_more():
    bought, released = at("2026-01-10T00:00:00"), at("2026-03-09T23:59:59")

    found = costs(PRICE, acquired_at=bought, released_at=released, now=at("2027-01-01T00:00:00"))

    assert found == Costs(1_000_000 + 2 * 2_990_000, 0, None, "USD")


def test_what_is_not_bought_yet_costs_nothing():
    bought = at("2026-01-10T00:00:00")

    assert costs(PRICE, acquired_at=bought, released_at=None, now=bought - timedelta(days=1)).to_date == 0


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_the_next_charge_is_always_ahead_and_the_last_never_is(bought: datetime, held: timedelta):
    now = bought + held

    begun = months_begun(bought, now)

    assert month_after(bought, begun - 1) <= now < month_after(bought, begun)
