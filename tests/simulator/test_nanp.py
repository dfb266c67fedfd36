"""Which numbers can exist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.simulator import nanp

area_codes = st.from_regex(r"[2-9][0-8][0-9]", fullmatch=True).filter(nanp.possible)
indexes = st.integers(0, nanp.CAPACITY - 1)


@given(area_codes, indexes)
def test_every_number_fits_the_numbering_plan(area_code: str, index: int) -> None:
    number = nanp.e164(area_code, index)

    assert len(number) == 12
    assert nanp.area_code_of(number) == area_code
    assert number[5] in "23456789"
    assert number[6:8] != "11"
    assert nanp.pretty(number) == f"+1 {number[2:5]}-{number[5:8]}-{number[8:12]}"


@given(area_codes, indexes, indexes)
def test_no_two_indexes_give_the_same_number(area_code: str, one: int, other: int) -> None:
    assert (nanp.e164(area_code, one) == nanp.e164(area_code, other)) == (one == other)


def test_the_first_numbers_are_those_set_aside_for_fiction() -> None:
    assert [nanp.e164("313", index) for index in (0, 99)] == ["+13135550100", "+13135550199"]


@pytest.mark.parametrize(
    "area_code", ["", "31", "3131", "abc", "031", "131", "911", "211", "390", "999", "\uff13\uff11\uff13"]
)
def test_these_cannot_be_area_codes(area_code: str) -> None:
    assert not nanp.possible(area_code)


@pytest.mark.parametrize("area_code", ["200", "212", "313", "415", "989"])
def test_these_can_be_area_codes(area_code: str) -> None:
    assert nanp.possible(area_code)
