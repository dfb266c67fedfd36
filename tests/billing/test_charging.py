"""Every rule by which a supplier may charge: the worked examples of docs/billing.md, and what always holds."""

import itertools
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.billing.accrual import Held, Life, Line, Owner, PriceVersion, accrue
from service.billing.charging import ChargingRule, share
from service.kit.money import months_later

NUMBER, PRICE, DEARER = UUID(int=1), UUID(int=2), UUID(int=3)
SALES = Owner("sales", "o", "u", cost_center="A")
SUPPORT = Owner("support", "o", "u", cost_center="B")
# 1.00 to set up and 2.99 a month; from 16 March 2026 on 3.99.
OLD = PriceVersion(PRICE, date.min, 1_000_000, 2_990_000, "USD")
NEW = PriceVersion(DEARER, date(2026, 3, 16), 1_000_000, 3_990_000, "USD")
DAY = timedelta(days=1)


def day(text: str) -> date:
    return date.fromisoformat(text)


def life(acquired: str, released: str | None = None, *, moved: str | None = None) -> Life:
    owners = [Held(day(acquired), SALES)] + ([Held(day(moved), SUPPORT)] if moved else [])
    return Life(NUMBER, day(acquired), owners, day(released) if released else None)


def charged(of: Life, rule: ChargingRule, until: str, *, prices: tuple[PriceVersion, ...] = (OLD,)) -> list[Line]:
    return accrue(of, rule, prices, until=day(until))


def told(lines: list[Line]) -> list[tuple[str, str, str, str]]:
    """Due day, kind, the days and the amount of each."""
    return [
        (f"{one.due}", one.kind, f"{one.begins}..{one.ends - DAY}", f"{one.micros / 1_000_000:.2f}") for one in lines
    ]


FULL = ChargingRule()
CALENDAR = ChargingRule(cycle="calendar")
BY_DAY = ChargingRule(cycle="calendar", proration="daily", due="arrears")
IN_ADVANCE = ChargingRule(cycle="calendar", proration="daily")


def test_an_anniversary_month_is_charged_in_full_as_it_begins():
    assert told(charged(life("2026-01-10", "2026-03-05"), FULL, "2026-12-31")) == [
        ("2026-01-10", "setup", "2026-01-10..2026-01-10", "1.00"),
        ("2026-01-10", "month", "2026-01-10..2026-02-09", "2.99"),
        ("2026-02-10", "month", "2026-02-10..2026-03-09", "2.99"),
    ]


def test_months_of_a_number_bought_on_the_31st_begin_on_the_last_day_of_shorter_ones():
    lines = charged(life("2026-01-31"), FULL, "2026-05-31")

    assert [f"{one.due}" for one in lines if one.kind == "month"] == [
        "2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"
    ]  # fmt: skip


def test_a_leap_february_has_its_29th():
    assert months_later(day("2028-01-31"), 1) == day("2028-02-29")
    [first, *_] = [one for one in charged(life("2028-02-29"), BY_DAY, "2028-03-01") if one.kind == "part"]
    assert first.micros == share(2_990_000, days=(0, 1), of=29) == 103_103


def test_a_release_on_the_day_of_the_charge_is_charged_once_more_and_the_day_before_is_not():
    on_the_day = charged(life("2026-01-10", "2026-02-10"), FULL, "2026-12-31")
    before = charged(life("2026-01-10", "2026-02-09"), FULL, "2026-12-31")

    assert [one.kind for one in on_the_day] == ["setup", "month", "month"]
    assert [one.kind for one in before] == ["setup", "month"]


@pytest.mark.parametrize("rule", [FULL, CALENDAR])
def test_what_is_bought_and_released_on_one_day_costs_setup_and_a_month(rule: ChargingRule):
    assert sum(one.micros for one in charged(life("2026-01-10", "2026-01-10"), rule, "2026-12-31")) == 3_990_000


def test_by_day_it_costs_one_day_beside_the_setup():
    setup, part = charged(life("2026-01-10", "2026-01-10"), BY_DAY, "2026-12-31")

    assert (setup.micros, part.micros, part.due) == (1_000_000, share(2_990_000, days=(0, 1), of=31), day("2026-01-11"))


def test_calendar_months_are_charged_in_full_from_the_first_on_which_it_was_held():
    assert told(charged(life("2026-01-20", "2026-03-01"), CALENDAR, "2026-12-31")) == [
        ("2026-01-20", "setup", "2026-01-20..2026-01-20", "1.00"),
        ("2026-01-20", "month", "2026-01-20..2026-01-31", "2.99"),
        ("2026-02-01", "month", "2026-02-01..2026-02-28", "2.99"),
        ("2026-03-01", "month", "2026-03-01..2026-03-31", "2.99"),
    ]


def test_by_day_a_move_amid_the_month_parts_it_between_the_owners():
    _, first, second = charged(life("2026-01-01", moved="2026-01-11"), BY_DAY, "2026-02-01")

    assert (first.owner, first.ends, second.owner) == (SALES, day("2026-01-11"), SUPPORT)
    assert first.micros + second.micros == 2_990_000
    assert first.micros == share(2_990_000, days=(0, 10), of=31)


def test_in_full_a_month_is_of_whoever_held_the_number_as_it_began():
    lines = charged(life("2026-01-01", moved="2026-01-11"), FULL, "2026-02-01")

    assert [one.owner for one in lines] == [SALES, SALES, SUPPORT]


def test_a_price_that_changes_amid_a_month_holds_from_that_day_by_day_and_from_the_next_month_in_full():
    held = life("2026-03-01")
    by_day = charged(held, BY_DAY, "2026-04-01", prices=(OLD, NEW))
    in_full = charged(held, FULL, "2026-04-01", prices=(OLD, NEW))

    assert [(one.price_id, one.micros) for one in by_day[1:]] == [
        (PRICE, share(2_990_000, days=(0, 15), of=31)), (DEARER, share(3_990_000, days=(15, 31), of=31))
    ]  # fmt: skip
    assert [one.micros for one in in_full] == [1_000_000, 2_990_000, 3_990_000]


def test_in_advance_by_day_the_month_is_charged_at_once_and_what_is_left_is_given_back():
    lines = charged(life("2026-01-01", "2026-01-10"), IN_ADVANCE, "2026-12-31")

    assert told(lines)[1:] == [
        ("2026-01-01", "part", "2026-01-01..2026-01-31", "2.99"),
        ("2026-01-11", "credit", "2026-01-11..2026-01-31", "-2.03"),
    ]
    assert sum(one.micros for one in lines[1:]) == share(2_990_000, days=(0, 10), of=31)


def test_free_days_cost_no_rent_and_a_minimum_term_is_charged_whole():
    free = ChargingRule(free_days=7)
    least = ChargingRule(minimum_months=3)

    assert told(charged(life("2026-01-01", "2026-01-05"), free, "2026-12-31")) == [
        ("2026-01-01", "setup", "2026-01-01..2026-01-01", "1.00")
    ]
    assert told(charged(life("2026-01-01"), free, "2026-01-08"))[-1][0] == "2026-01-08"
    assert [one.kind for one in charged(life("2026-01-01", "2026-01-05"), least, "2026-12-31")] == [
        "setup", "month", "month", "month"
    ]  # fmt: skip


def test_days_begin_in_the_time_zone_of_the_rule_summer_time_and_all():
    new_york = ChargingRule(time_zone="America/New_York")

    assert new_york.day_of(datetime(2026, 3, 8, 4, 59, tzinfo=UTC)) == day("2026-03-07")
    assert new_york.day_of(datetime(2026, 3, 8, 5, 0, tzinfo=UTC)) == day("2026-03-08")
    # Clocks went forward at 7:00 UTC: the day is 23 hours long.
    assert new_york.day_of(datetime(2026, 3, 9, 3, 59, tzinfo=UTC)) == day("2026-03-08")
    assert new_york.day_of(datetime(2026, 3, 9, 4, 0, tzinfo=UTC)) == day("2026-03-09")


# -- What always holds -------------------------------------------------------------------------------------------------

rules = st.builds(
    ChargingRule, cycle=st.sampled_from(["anniversary", "calendar"]), proration=st.sampled_from(["none", "daily"]),
    due=st.sampled_from(["advance", "arrears"]), free_days=st.integers(0, 40), minimum_months=st.integers(0, 4),
)  # fmt: skip
days = st.dates(date(2023, 12, 1), date(2025, 3, 31))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    acquired = draw(days)
    released = draw(st.none() | st.integers(0, 400))
    moves = sorted(draw(st.lists(st.integers(0, 400), max_size=4)))
    owners = [Held(acquired, SALES)] + [
        Held(acquired + timedelta(days=after), (SUPPORT, SALES)[place % 2]) for place, after in enumerate(moves)
    ]
    return Life(NUMBER, acquired, owners, None if released is None else acquired + timedelta(days=released))


@given(lives(), rules, st.integers(0, 500), st.integers(0, 500))
def test_what_was_due_by_a_day_is_the_same_whenever_it_is_reckoned(of: Life, rule: ChargingRule, first: int, more: int):
    """Unless it was released in between: of that nothing was known."""
    early = of.acquired + timedelta(days=first)
    late = early + timedelta(days=more)
    by_late = charged(of, rule, str(late), prices=(OLD, NEW))

    assert [one for one in by_late if one.due <= early] == charged(of, rule, str(early), prices=(OLD, NEW))


@given(lives(), rules, st.integers(0, 600))
def test_days_held_are_charged_once_and_no_more_than_a_month_costs(of: Life, rule: ChargingRule, later: int):
    until = of.acquired + timedelta(days=later)
    lines = [one for one in charged(of, rule, str(until)) if one.kind != "setup"]

    covered: dict[date, int] = {}
    for one in lines:
        for place in range((one.ends - one.begins).days):
            at = one.begins + timedelta(days=place)
            covered[at] = covered.get(at, 0) + (-1 if one.kind == "credit" else 1)
    assert set(covered.values()) <= {0, 1}
    if (
        rule.proration == "daily"
        and not rule.minimum_months
        and of.released is not None
        and until > of.released + 31 * DAY
    ):
        assert all(at <= of.released for at, times in covered.items() if times)


@given(st.integers(0, 10**9), st.integers(28, 31), st.lists(st.integers(0, 31)))
def test_parts_add_up_to_the_whole_however_it_is_parted(amount: int, of: int, cuts: list[int]):
    at = sorted({0, of, *(cut for cut in cuts if cut < of)})

    assert sum(share(amount, days=pair, of=of) for pair in itertools.pairwise(at)) == amount
