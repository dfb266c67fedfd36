"""A refusal says what is wrong and what would not be, in words; a pattern is for programs."""

import re
from typing import Any

import pytest

from service.http.problems import in_words
from service.kit.text import names_of, names_pattern, shaped
from tests.http.refusals import problem
from tests.support.gateway import Gateway

NONE_OF_IT = "§"


async def test_no_parameter_is_refused_with_a_regular_expression(gateway: Gateway):
    document: dict[str, Any] = (await gateway.http.get("/openapi.json")).json()
    asked = 0
    for path, item in document["paths"].items():
        for one in item.get("get", {}).get("parameters", []):
            shapes = [one["schema"], *one["schema"].get("anyOf", [])]
            if not any("pattern" in shape for shape in shapes) or one["in"] not in ("query", "path"):
                continue
            given = path.replace(f"{{{one['name']}}}", NONE_OF_IT)
            params = {one["name"]: NONE_OF_IT} if one["in"] == "query" else {}
            answer = await gateway.admin.get(given, params=params)
            told = answer.json()
            assert answer.status_code in (400, 403, 404), f"{given} {params}: {answer.text}"
            assert "match" not in told["detail"], f"{given} {params}: {told['detail']}"
            asked += 1
    assert asked > 5


@pytest.mark.parametrize(
    ("path", "pointer", "mend"),
    [
        ("/v1/numbers?state=active,foo", "state", "names 'foo', which is no state"),
        ("/v1/numbers?created_after=2026-01-01T00:00:00+01:00", "created_after", "write + as %2B in a URL"),
        ("/v1/numbers?nickname=", "nickname", "must not be empty"),
        ("/v1/orders?state=running,foo", "state", "names 'foo', which is none; there are previewed, pending, running"),
        ("/v1/billing/statements/nov", "period", "must be a month, as 2026-11"),
        ("/v1/billing/statements/2026-11?group_by=tag", "group_by", "names 'tag', which is none; there are "),
    ],
)
async def test_what_a_person_mistypes_is_told_with_its_mend(gateway: Gateway, path: str, pointer: str, mend: str):
    who = await gateway.tenant(scopes=["numbers:read", "billing:read"])
    [fault] = problem(await who.get(path), 400, "invalid_request")["errors"]
    assert fault["pointer"] == pointer
    assert mend in fault["detail"]


def test_names_with_commas_are_all_known_or_the_first_that_is_not_is_named():
    check = names_of(("a", "b"), 2)
    assert (check("a"), check("b,a"), check(None)) == ("a", "b,a", None)
    for text, told in (("a,c", "'c', which is none; there are a, b"), ("a,a,b", "must name 2 at most"), ("", "''")):
        with pytest.raises(ValueError, match=re.escape(told)):
            check(text)
    assert (names_pattern(("a", "b")), names_pattern(("a", "b"), 3)) == ("^(a|b)(,(a|b))*$", "^(a|b)(,(a|b)){0,2}$")


def test_a_text_of_another_form_is_told_the_mend():
    check = shaped("^[a-z]$", "must be a letter")
    assert (check("a"), check(None)) == ("a", None)
    for text in ("1", "a\n", ""):
        with pytest.raises(ValueError, match=r"^must be a letter$"):
            check(text)


def test_a_text_is_measured_in_characters_and_a_list_in_items():
    short = {"type": "too_short", "ctx": {"min_length": 2}}
    assert in_words(short | {"input": "x"}) == "must be 2 characters or more"
    assert in_words(short | {"input": "", "ctx": {"min_length": 1}}) == "must not be empty"
    assert in_words(short | {"input": ["x"]}) == "must hold 2 or more"
