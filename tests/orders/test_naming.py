"""What the numbers of an order are called, and in which area codes they are asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.orders.choosing import choices, choose
from service.orders.naming import Template, named_twice
from service.tenants.policy import ANYTHING, Policy

TEXTS = st.text(st.characters(exclude_characters="{}", exclude_categories=("Cs",)), max_size=10)


def filled(template: str, *, n: int = 7) -> str:
    return Template.of(template).filled(n=n, area_code="313", user_id="u1")


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("Sales {area_code}-{n:03}", "Sales 313-007"),
        ("{n}", "7"),
        ("{n:02d}|{n:d}", "07|7"),
        ("{{n}} of {user_id}", "{n} of u1"),
        ("plain", "plain"),
    ],
)
def test_a_template_is_filled_as_it_is_written(template: str, name: str):
    assert filled(template) == name


@given(before=TEXTS, between=TEXTS, after=TEXTS, n=st.integers(1, 10_000))
def test_text_around_placeholders_stays_as_it_is(before: str, between: str, after: str, n: int):
    assert filled(f"{before}{{n}}{between}{{area_code}}{after}", n=n) == f"{before}{n}{between}313{after}"


@given(st.text(max_size=30))
def test_any_text_is_either_a_template_or_refused_in_words(text: str):
    said = ""
    try:
        Template.of(text).filled(n=1, area_code="313", user_id="u")
    except ValueError as refused:
        said = str(refused)
    assert not said or said.startswith(("is no template", "has an unknown", "must not", "cannot write"))


@pytest.mark.parametrize("text", ["Sales {n", "Sales n}", "{", "}", "{n:{}", "{n[}"])
def test_a_brace_that_stands_alone_is_told_in_plain_words(text: str):
    with pytest.raises(ValueError, match=r"a brace in it is not closed|has an unknown"):
        Template.of(text)


def test_two_of_the_same_name_are_found_and_two_without_one_are_not():
    assert named_twice(["a", None, "b", None]) is None
    assert named_twice(["a", "b", "a"]) == "a"


def test_a_name_that_two_would_have_in_different_area_codes_is_found():
    assert named_twice(["own", "Sales 313"], ["own", "Sales 248"]) is None
    assert named_twice(["Sales 248", "Sales 313"], ["Sales 248", "Sales 248"]) == "Sales 248"
    assert named_twice(["Sales 313", "a"], ["Sales 248", "Sales 313"]) == "Sales 313"


def test_what_was_named_comes_first_then_overlays_then_what_is_near():
    assert choices(["313", "248"], [], ANYTHING) == ["313", "248"]
    assert choices(["313", "248"], ["overlays"], ANYTHING) == ["313", "248", "679", "947"]
    near = choices(["313"], ["neighbours"], ANYTHING)
    assert near[:2] == ["313", "679"]
    assert len(near) == len(set(near)) > 5


def test_what_the_policy_does_not_allow_is_no_fallback():
    policy = Policy(area_codes_allowed=frozenset(("313", "947")))
    assert choices(["313"], ["overlays", "neighbours"], policy) == ["313", "947"]


def test_the_first_that_may_have_some_is_chosen():
    assert choose(["313", "679"], without=set()) == "313"
    assert choose(["313", "679"], without={"313"}) == "679"
    assert choose(["313"], without={"313"}) is None
