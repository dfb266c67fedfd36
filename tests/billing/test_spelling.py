"""Amounts and days as suppliers write them, read to the millionth, or refused with the mend."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.billing.invoices.lines import BadRow, line_of
from service.billing.invoices.mapping import PROFILES, InvoiceMapping, guessed
from service.billing.invoices.spelling import amount_of, day_of, fits, micros_of, phone_of, phone_within, whole_of

MAPPING = InvoiceMapping({"amount": "Amount"}, currency="USD")


@pytest.mark.parametrize(
    ("text", "decimal", "value", "mark"),
    [
        ("1,234.56", ".", "1234.56", None),
        ("1.234,56", ",", "1234.56", None),
        ("1 234,56", ",", "1234.56", None),
        ("1\u202f234,56", ",", "1234.56", None),
        ("1'234.56", ".", "1234.56", None),
        ("(12.00)", ".", "-12.00", None),
        ("($12.00)", ".", "-12.00", "$"),
        ("-12", ".", "-12", None),
        ("\u221212", ".", "-12", None),
        ("12-", ".", "-12", None),
        ("-$12", ".", "-12", "$"),
        ("$-12", ".", "-12", "$"),
        ("+12", ".", "12", None),
        ("$12", ".", "12", "$"),
        ("12 USD", ".", "12", "USD"),
        ("USD 12.50", ".", "12.50", "USD"),
        ("12,50 €", ",", "12.50", "€"),
        ("$12.00 CAD", ".", "12.00", "CAD"),
        (".5", ".", "0.5", None),
        ("0", ".", "0", None),
        ("  2.99  ", ".", "2.99", None),
        ("1,234", ".", "1234", None),
        ("1.234", ".", "1.234", None),
        ("0.005", None, "0.005", None),
        ("1,234.560", None, "1234.56", None),
        ("1234.560", None, "1234.56", None),
    ],
)
def test_an_amount_is_read_however_it_is_written(text: str, decimal: str | None, value: str, mark: str | None):
    found = amount_of(text, decimal)
    assert (found.value, found.mark) == (Decimal(value), mark)


@pytest.mark.parametrize(
    ("text", "decimal", "mend"),
    [
        ("1.234,56", ".", "the mapping says decimal: ','"),
        ("12,5", ".", "the mapping says decimal: ','"),
        ("1,234.56", ",", "the mapping says decimal: '.'"),
        ("1.234", None, "a profile says decimal"),
        ("$-1,234", None, "a profile says decimal"),
        ("1,234,56", ".", "groups of three"),
        ("1 234.567,8", ",", "groups of three"),
        ("--12", ".", "two signs"),
        ("12%", ".", "write it as 1,234.56"),
        ("-12-", ".", "two signs"),
        ("(-12)", ".", "two signs"),
        ("EUR 12 USD", ".", "two currencies"),
        ("1e3", ".", "write it as"),
        ("٣", ".", "write it as"),
        ("NaN", ".", "write it as"),
        (".", ".", "write it as 1,234.56"),
        ("9" * 70, ".", "longer than 64"),
    ],
)
def test_an_amount_that_is_none_or_may_be_two_is_refused_with_the_mend(text: str, decimal: str | None, mend: str):
    with pytest.raises(ValueError) as refused:
        amount_of(text, decimal)
    assert mend in str(refused.value)


AMOUNTS = st.decimals(-1_000_000, 1_000_000, places=6)


@given(AMOUNTS, st.sampled_from([".", ","]), st.sampled_from(["", " ", "'", "other"]), st.booleans())
def test_every_amount_comes_back_from_each_of_its_spellings(value, decimal, group, in_brackets):
    separator = {"other": "," if decimal == "." else "."}.get(group, group)
    whole, _, fraction = f"{abs(value):,.6f}".partition(".")
    text = whole.replace(",", separator) + decimal + fraction
    if value < 0:
        text = f"({text})" if in_brackets else f"-{text}"

    found = amount_of(text, decimal).value

    assert found == value
    assert micros_of(found, "whole", "USD") == int(value * 1_000_000)


@given(st.text(max_size=80), st.sampled_from([".", ","]))
def test_no_text_is_read_as_an_amount_by_another_path_than_its_digits(text, decimal):
    try:
        found = amount_of(text, decimal).value
    except ValueError:
        return
    assert found.is_finite()
    assert {sign for sign in f"{found.copy_abs():f}" if sign not in "0."} <= set(text)


@pytest.mark.parametrize(
    ("value", "unit", "currency", "micros"),
    [
        ("2.99", "whole", "USD", 2_990_000), ("299", "minor", "USD", 2_990_000), ("299", "minor", "JPY", 299_000_000),
        ("2990", "minor", "KWD", 2_990_000), ("0.000001", "whole", "USD", 1), ("-0.5", "minor", "USD", -5_000),
    ],
)  # fmt: skip
def test_an_amount_in_the_smallest_unit_is_of_its_currency(value: str, unit: str, currency: str, micros: int):
    assert micros_of(Decimal(value), unit, currency) == micros


def test_an_amount_is_never_rounded():
    for value, unit in (("0.0000001", "whole"), ("0.00001", "minor")):
        with pytest.raises(ValueError, match="round it"):
            micros_of(Decimal(value), unit, "USD")


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2026-03-01", None, date(2026, 3, 1)),
        ("20260301", None, date(2026, 3, 1)),
        ("1 Mar 2026", None, date(2026, 3, 1)),
        ("01-Mar-2026", None, date(2026, 3, 1)),
        ("March 1, 2026", None, date(2026, 3, 1)),
        ("03/01/2026", "month_first", date(2026, 3, 1)),
        ("03/01/2026", "day_first", date(2026, 1, 3)),
        ("1.3.2026", "day_first", date(2026, 3, 1)),
        ("1772323200", None, date(2026, 3, 1)),
        ("2026-03-01 00:00:00", None, date(2026, 3, 1)),
        ("2026-03-01T23:30:00.000-05:00", None, date(2026, 3, 2)),
    ],
)
def test_a_day_is_read_however_it_is_written(text: str, order: str | None, day: date):
    assert day_of(text, order) == day


@pytest.mark.parametrize(
    ("text", "order", "mend"),
    [
        ("03/01/2026", None, "the mapping says day_order"),
        ("13/25/2026", None, "the mapping says day_order"),
        ("13/01/2026", "month_first", "write it as 2026-03-01"),
        ("2026-02-30", None, "write it as 2026-03-01"),
        ("1 Foo 2026", None, "write it as 2026-03-01"),
        ("46082", None, "write it as 2026-03-01"),
        ("1999-01-01", None, "outside the years 2000 to 2099"),
        ("next week", None, "write it as 2026-03-01"),
    ],
)
def test_a_day_that_is_none_or_may_be_two_is_refused_with_the_mend(text: str, order: str | None, mend: str):
    with pytest.raises(ValueError) as refused:
        day_of(text, order)
    assert mend in str(refused.value)


DAYS = st.dates(date(2000, 1, 2), date(2099, 12, 30))


@given(DAYS, st.sampled_from(["%Y-%m-%d", "%d %b %Y", "%B %d, %Y", "%m/%d/%Y", "%d.%m.%Y", "seconds", "moment"]))
def test_every_day_comes_back_from_each_of_its_spellings(day, form):
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    text = {"seconds": str(int(moment.timestamp())), "moment": moment.isoformat()}.get(form) or day.strftime(form)
    order = {"%m/%d/%Y": "month_first", "%d.%m.%Y": "day_first"}.get(form)

    assert day_of(text, order) == day


@given(st.integers(1_000_000_000, 4_070_000_000), st.sampled_from(["UTC", "America/Detroit"]))
def test_a_moment_is_the_same_day_in_seconds_as_by_the_calendar(seconds, zone):
    moment = datetime.fromtimestamp(seconds, UTC)

    assert day_of(str(seconds), None, zone) == day_of(f"{moment:%Y-%m-%dT%H:%M:%SZ}", None, zone)


@given(st.text(max_size=40))
def test_whatever_is_read_as_a_day_is_one_of_this_century(text):
    try:
        found = day_of(text, "day_first")
    except ValueError:
        return
    assert 2000 <= found.year < 2100


@pytest.mark.parametrize("text", ["+13135550142", "13135550142", "(313) 555-0142", "313.555.0142", "+1 313-555-0142"])
def test_a_number_is_read_however_it_is_written(text: str):
    assert phone_of(text) == "+13135550142"


def test_a_description_names_a_number_where_it_names_one_alone():
    assert phone_within("1 × number +13135550142 (at $2.99 / month)") == "+13135550142"
    assert phone_within("Number +1 (313) 555-0142") == "+13135550142"
    assert phone_within("+13135550142 for +13135550143") is None
    assert phone_within("order 13135550142, and 555-0142") is None


def test_a_quantity_is_whole():
    assert (whole_of("1"), whole_of("2.00")) == (1, 2)
    with pytest.raises(ValueError, match="no whole number"):
        whole_of("1.5")


def test_a_symbol_may_be_of_several_currencies_and_says_none_by_itself():
    assert fits("$", "CAD") and fits("€", "EUR") and not fits("€", "USD")
    with pytest.raises(BadRow, match="currency: is not said"):
        line_of({"amount": "$2.99"}, InvoiceMapping({"amount": "Amount"}))


def test_the_last_day_is_charged_where_the_mapping_says_so():
    cells = {"amount": "2.99", "begins": "2026-10-01", "ends": "2026-10-31"}
    for ends, day in (("exclusive", date(2026, 10, 31)), ("inclusive", date(2026, 11, 1))):
        assert line_of(cells, InvoiceMapping({}, currency="USD", ends=ends)).ends == day


def test_what_gives_back_is_a_credit_where_the_mapping_says_so():
    assert line_of({"amount": "-2.99"}, InvoiceMapping({}, currency="USD", negatives="credit")).kind == "credit"
    assert line_of({"amount": "-2.99", "kind": "Refund"}, MAPPING).kind == "credit"
    for cells in ({"amount": "-2.99"}, {"amount": "2.99", "kind": "credit"}):
        with pytest.raises(BadRow):
            line_of(cells, MAPPING)


def test_every_fault_of_a_row_is_told_at_once():
    with pytest.raises(BadRow) as bad:
        line_of({"amount": "x", "begins": "y", "phone_number": "z", "quantity": "1.5"}, MAPPING)
    assert {one.column for one in bad.value.faults} == {"amount", "begins", "phone_number", "quantity"}


def test_headers_suggest_a_mapping():
    mapping, profile = guessed(["Line Item ID", "Phone Number", "Start Date", "End date", "TOTAL", "Währung"])
    assert profile is None
    assert mapping.columns == {
        "line_ref": "Line Item ID", "phone_number": "Phone Number", "begins": "Start Date", "ends": "End date",
        "amount": "TOTAL",
    }  # fmt: skip
    stripes = [*PROFILES["stripe"].columns.values(), "discountable", "plan_id", "price_id", "proration"]
    assert guessed(stripes) == (PROFILES["stripe"], "stripe")


def test_a_charge_of_one_moment_is_of_one_day():
    line = line_of({"amount": "1", "begins": "1760227200", "ends": "1760227200"}, MAPPING)
    assert line.begins is not None and line.ends == line.begins + timedelta(days=1)
