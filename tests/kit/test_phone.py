import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.phone import (
    E164,
    AreaCodeRefused,
    NotAPhoneNumber,
    Reason,
    area_code_of,
    check_area_code,
    is_nanp,
    neighbours,
    parse_e164,
    path_number,
    pretty,
)

digits = st.text("0123456789", min_size=0, max_size=8)
numbers = st.from_regex(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True)

NOT_NUMBERS = [
    "",
    "+",
    "3135550142",
    "+13135550142\n",
    "+13135550142 ",
    " +13135550142",
    "++13135550142",
    "+1 313-555-0142",
    "+1313555014",
    "+131355501420",
    "+10135550142",
    "+11135550142",
    "+13130550142",
    "+13131550142",
    "+443135550142",
    "+1３１３5550142",
    "+1313555014²",
    "tel:+13135550142",
]


@given(numbers)
def test_a_number_of_the_plan_is_itself(number):
    assert parse_e164(number) == number
    assert is_nanp(number)


@given(numbers)
def test_a_number_survives_its_pretty_form_and_every_spelling_in_a_path(number):
    assert "".join(character for character in pretty(E164(number)) if character not in " -") == number
    for spelling in (number, number[1:], " " + number[1:]):
        assert path_number(spelling) == number


@given(st.text() | digits | digits.map(lambda rest: "+1" + rest))
def test_what_is_parsed_is_what_is_nanp_and_has_the_form_it_claims(text):
    try:
        number = parse_e164(text)
    except NotAPhoneNumber:
        assert not is_nanp(text)
    else:
        assert is_nanp(text)
        assert len(number) == 12 and number.isascii() and number[2] in "23456789" and number[5] in "23456789"


@given(st.text(min_size=1))
def test_a_refused_number_is_echoed_in_32_plain_characters_at_most(text):
    with pytest.raises(NotAPhoneNumber) as refused:
        parse_e164("x" + text)

    quoted, _, rest = str(refused.value).partition(" is not a phone number")
    assert rest
    assert len(quoted) <= 32 + len("''")
    assert quoted.replace("…", "").isprintable() and quoted.replace("…", "").isascii()


@given(st.text())
def test_a_refused_area_code_is_echoed_in_32_plain_characters_at_most(text):
    with pytest.raises(AreaCodeRefused) as refused:
        check_area_code("x" + text)

    assert refused.value.reason is Reason.malformed
    assert len(refused.value.detail.partition(" is not an area code")[0]) <= 32 + len("''")


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_neither_a_number_nor_near_enough(text):
    with pytest.raises(NotAPhoneNumber, match="write it as"):
        parse_e164(text)
    assert not is_nanp(text)
    with pytest.raises(NotAPhoneNumber, match="write it as"):
        path_number(text)


def test_a_number_with_an_area_code_we_do_not_know_is_still_a_number():
    for number in ("+12735550142", "+18005550142", "+19995550142", "+13135550142"):
        assert is_nanp(number)


def test_a_number_reads_as_the_upstream_writes_it():
    number = parse_e164("+13135550142")

    assert pretty(number) == "+1 313-555-0142"
    assert area_code_of(number) == "313"


def test_an_area_code_says_where_it_is():
    detroit, toronto, yukon = check_area_code("313"), check_area_code("416"), check_area_code("867")

    assert detroit == ("313", "US", "MI", "Michigan", "Detroit", ("679",))
    assert (toronto.country, toronto.region, toronto.place) == ("CA", "ON", "Toronto")
    assert (yukon.region, yukon.region_name) == ("NT/NU/YT", "Northwest Territories, Nunavut and Yukon")


@pytest.mark.parametrize(
    ("text", "reason", "says"),
    [
        ("800", Reason.toll_free, "toll-free"),
        ("822", Reason.toll_free, "toll-free"),
        ("889", Reason.toll_free, "toll-free"),
        ("900", Reason.premium, "premium"),
        ("911", Reason.special, "service code"),
        ("456", Reason.special, "inbound international"),
        ("500", Reason.special, "no place"),
        ("521", Reason.special, "no place"),
        ("600", Reason.special, "Canadian"),
        ("700", Reason.special, "long-distance"),
        ("710", Reason.special, "government"),
        ("242", Reason.caribbean, "the Bahamas"),
        ("876", Reason.caribbean, "Jamaica"),
        ("787", Reason.territory, "Puerto Rico"),
        ("671", Reason.territory, "Guam"),
        ("999", Reason.unassigned, "not in service"),
        ("221", Reason.unassigned, "not in service"),
        ("273", Reason.unassigned, "Quebec on 2027-02-27"),
        ("565", Reason.unassigned, "planned for Georgia"),
        ("000", Reason.malformed, "three digits"),
        ("113", Reason.malformed, "three digits"),
        ("31", Reason.malformed, "three digits"),
        ("3130", Reason.malformed, "three digits"),
        ("abc", Reason.malformed, "three digits"),
        ("", Reason.malformed, "three digits"),
        ("３１３", Reason.malformed, "three digits"),
        ("313 ", Reason.malformed, "three digits"),
        (" 313", Reason.malformed, "three digits"),
        ("313\n", Reason.malformed, "three digits"),
        ("+313", Reason.malformed, "three digits"),
    ],
)
def test_a_refused_area_code_says_why_and_what_to_do(text, reason, says):
    with pytest.raises(AreaCodeRefused) as refused:
        check_area_code(text)

    assert refused.value.reason is reason
    assert says in refused.value.detail
    assert "; ask for" in refused.value.detail or "; send" in refused.value.detail
    assert neighbours(text) == ()


def test_only_a_code_that_is_coming_suggests_others():
    with pytest.raises(AreaCodeRefused) as coming:
        check_area_code("273")
    with pytest.raises(AreaCodeRefused) as abroad:
        check_area_code("242")

    assert coming.value.suggestions == ("367", "418", "581")
    assert abroad.value.suggestions == ()


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("313", ("679",)),
        ("415", ("628",)),
        ("604", ("236", "257", "672", "778")),
        ("917", ("212", "332", "347", "465", "646", "718", "929")),
        ("404", ("470", "678", "943", "770")),
        ("206", ("564", "425", "253")),
        ("416", ("437", "647", "942")),
    ],
)
def test_neighbours_begin_with_the_same_area_and_go_on_with_the_nearest(code, first):
    assert neighbours(code)[: len(first)] == first


def test_the_import_leaves_phonenumbers_alone():
    probe = "import sys, service.kit.phone; sys.exit('phonenumbers' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
