import phonenumbers
import pytest
from phonenumbers import PhoneNumber, PhoneNumberType

from service.kit import nanp
from service.kit.phone import AreaCodeRefused, Reason, area_codes, check_area_code, neighbours

ALL = [f"{code}" for code in range(200, 1000)]

# phonenumbers learns of a code when somebody reports numbers in it; NANPA says when it enters service.
# Delete a line when phonenumbers has caught up: the comparison below fails until you do.
IN_SERVICE_AND_UNKNOWN_TO_PHONENUMBERS = {
    "357": "California, overlay of 559, 2025-03-26",
    "436": "Ohio, overlay of 440, 2024-03-01",
    "457": "Louisiana, overlay of 318, 2025-09-25",
    "465": "New York City, overlay of 718, 2026-06-18",
    "471": "Mississippi, overlay of 662, 2026-01-30",
    "483": "Alabama, overlay of 334, 2026-02-23",
    "621": "Houston, overlay of 713, 2025-01-23",
    "624": "Buffalo, overlay of 716, 2023-11-16",
    "679": "Detroit, overlay of 313, 2025-11-07",
    "729": "Tennessee, overlay of 423, 2025-09-05",
    "837": "California, overlay of 530, 2025-01-31",
    "861": "Illinois, overlay of 309, 2023-02-24",
    "924": "Minnesota, overlay of 507, 2024-08-30",
}
KNOWN_TO_PHONENUMBERS_AND_NOT_YET_IN_SERVICE = {
    "273": "Quebec, assigned, in service from 2027-02-27",
}


def is_accepted(code: str) -> bool:
    try:
        check_area_code(code)
    except AreaCodeRefused:
        return False
    return True


def is_geographic_to_phonenumbers(code: str) -> bool:
    number = PhoneNumber(1, int(f"{code}2345678"))
    return (
        phonenumbers.region_code_for_number(number) in {"US", "CA"}
        and phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE_OR_MOBILE
    )


def test_we_accept_what_phonenumbers_calls_geographic_and_nothing_else_but_named_exceptions():
    ours = {code for code in ALL if is_accepted(code)}
    theirs = {code for code in ALL if is_geographic_to_phonenumbers(code)}

    assert ours - theirs == IN_SERVICE_AND_UNKNOWN_TO_PHONENUMBERS.keys()
    assert theirs - ours == KNOWN_TO_PHONENUMBERS_AND_NOT_YET_IN_SERVICE.keys()


def test_phonenumbers_agrees_on_the_country_of_every_code_it_knows():
    for area in area_codes():
        if area.code not in IN_SERVICE_AND_UNKNOWN_TO_PHONENUMBERS:
            assert phonenumbers.region_code_for_number(PhoneNumber(1, int(f"{area.code}2345678"))) == area.country


def test_the_table_is_as_large_as_the_two_countries_are():
    codes = [area.code for area in area_codes()]
    states = {area.region for area in area_codes() if area.country == "US"}
    provinces = {part for area in area_codes() if area.country == "CA" for part in area.region.split("/")}

    assert codes == sorted(set(codes))
    assert len(codes) == 427
    assert sum(check_area_code(code).country == "CA" for code in codes) == 55
    assert len(states) == 50 + 1
    assert len(provinces) == 10 + 3


def test_every_code_is_in_one_table_at_most_and_every_other_is_refused_as_unassigned():
    tables = [
        nanp.AREAS.keys(),
        nanp.PLANNED.keys(),
        nanp.TERRITORIES.keys(),
        nanp.ABROAD.keys(),
        nanp.SPECIAL.keys(),
        nanp.TOLL_FREE,
        nanp.PREMIUM,
    ]
    for code in ALL:
        listed = sum(code in table for table in tables)
        assert listed <= 1
        if not listed:
            with pytest.raises(AreaCodeRefused) as refused:
                check_area_code(code)
            assert refused.value.reason is Reason.unassigned


def test_overlays_are_mutual_and_stay_in_one_region():
    for area in area_codes():
        for other in map(check_area_code, area.overlays):
            assert area.code in other.overlays
            assert area.region == other.region


def test_areas_that_share_an_overlay_are_not_thereby_one_area():
    assert "770" not in check_area_code("404").overlays
    assert "773" not in check_area_code("312").overlays
    assert "780" not in check_area_code("403").overlays
    assert "250" not in check_area_code("604").overlays
    assert "734" not in check_area_code("679").overlays


def test_neighbours_are_at_most_eight_others_of_the_same_region_with_overlays_first():
    for area in area_codes():
        near = neighbours(area.code)
        assert len(near) == len(set(near)) <= 8
        assert area.code not in near
        assert near[: len(area.overlays)] == area.overlays[:8]
        assert {check_area_code(code).region for code in near} <= {area.region}


def test_no_region_of_several_codes_leaves_one_without_neighbours():
    for area in area_codes():
        others = [other for other in area_codes() if other.region == area.region and other.code != area.code]
        assert len(neighbours(area.code)) == min(8, len(others))


def test_a_coming_code_suggests_codes_that_are_sold():
    for code, (region, _since, joins) in nanp.PLANNED.items():
        assert not is_accepted(code)
        assert {check_area_code(other).region for other in joins.split()} <= {region}
