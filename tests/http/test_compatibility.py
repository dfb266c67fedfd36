"""A client of the last release goes on working, and what would break it is found."""

import copy
from typing import Any

import pytest

from tests.client.generated import document
from tests.http.compatibility import breaks, kept, released

CREATE = "/v1/voice/phone-numbers/create"


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return document()


def schema(openapi: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = openapi["components"]["schemas"][name]
    return found


def create(openapi: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = openapi["paths"][CREATE]["post"]
    return found


def test_a_client_of_the_last_release_goes_on_working(openapi: dict[str, Any]):
    before = released()

    assert len(before["paths"]) > 80
    assert breaks(before, openapi) == [], "docs/compatibility.md says what to do"


def test_a_document_breaks_nobody_who_was_made_for_it(openapi: dict[str, Any]):
    assert breaks(openapi, openapi) == []


def rename_operation(now: dict[str, Any]) -> None:
    create(now)["operationId"] = "buy_number"


def want_a_key(now: dict[str, Any]) -> None:
    now["paths"]["/healthz"]["get"]["security"] = [{"ApiKey": []}]


def want_a_parameter(now: dict[str, Any]) -> None:
    new = {"name": "region", "in": "query", "required": True, "schema": {"type": "string"}}
    create(now)["parameters"].append(new)


def make_a_parameter_required(now: dict[str, Any]) -> None:
    create(now)["parameters"][0]["required"] = True


def drop_a_parameter(now: dict[str, Any]) -> None:
    create(now)["parameters"] = create(now)["parameters"][1:]


def narrow_a_parameter(now: dict[str, Any]) -> None:
    [limit] = [one for one in now["paths"]["/v1/numbers"]["get"]["parameters"] if one["name"] == "limit"]
    limit["schema"]["anyOf"][0]["maximum"] = 10


def want_a_member(now: dict[str, Any]) -> None:
    schema(now, "NumberCreate")["required"].append("nickname")


def drop_a_member_that_is_sent(now: dict[str, Any]) -> None:
    del schema(now, "NumberCreate")["properties"]["cost_center"]


def shorten_what_is_taken(now: dict[str, Any]) -> None:
    schema(now, "NumberCreate")["properties"]["user_id"]["maxLength"] = 8


def take_no_null(now: dict[str, Any]) -> None:
    nickname = schema(now, "NumberCreate")["properties"]["nickname"]
    nickname["anyOf"] = [one for one in nickname["anyOf"] if one["type"] != "null"]


def take_another_type(now: dict[str, Any]) -> None:
    schema(now, "NumberCreate")["properties"]["area_code"]["type"] = "integer"


def take_one_value_less(now: dict[str, Any]) -> None:
    [kind] = [
        one for one in now["paths"]["/v1/voice/phone-numbers"]["get"]["parameters"] if one["name"] == "phone_type"
    ]
    kind["schema"]["enum"].remove("sms")


def want_a_pattern(now: dict[str, Any]) -> None:
    schema(now, "NumberCreate")["properties"]["user_id"]["pattern"] = "^[0-9x]+$"


def answer_without_a_member(now: dict[str, Any]) -> None:
    bought = schema(now, "NumberBought")
    del bought["properties"]["operation_id"]
    bought["required"].remove("operation_id")


def answer_a_member_sometimes(now: dict[str, Any]) -> None:
    schema(now, "NumberBought")["required"].remove("phone_number")


def answer_null(now: dict[str, Any]) -> None:
    state = schema(now, "NumberBought")["properties"]
    state["area_code"] = {"anyOf": [state["area_code"], {"type": "null"}]}


def answer_another_type(now: dict[str, Any]) -> None:
    schema(now, "NumberBought")["properties"]["phone_number"]["type"] = "integer"


def answer_another_format(now: dict[str, Any]) -> None:
    del schema(now, "NumberBought")["properties"]["id"]["format"]


def answer_another_status(now: dict[str, Any]) -> None:
    create(now)["responses"]["201"] = create(now)["responses"].pop("200")


def answer_no_more_as_csv(now: dict[str, Any]) -> None:
    del now["paths"]["/v1/numbers"]["get"]["responses"]["200"]["content"]["text/csv"]


def move_a_code(now: dict[str, Any]) -> None:
    responses = create(now)["responses"]
    responses["410"] = responses.pop("409")


def drop_an_event(now: dict[str, Any]) -> None:
    del now["webhooks"]["number.released"]


def tell_less_of_an_event(now: dict[str, Any]) -> None:
    told = now["webhooks"]["number.released"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    del told["properties"]["sequence"]


BROKEN = {
    rename_operation: "is called buy_number",
    want_a_key: "wants a key now",
    want_a_parameter: "region must be given now",
    make_a_parameter_required: "idempotency-key must be given now",
    drop_a_parameter: "idempotency-key in header is gone",
    narrow_a_parameter: "maximum is 10",
    want_a_member: "nickname: must be given now",
    drop_a_member_that_is_sent: "cost_center: is taken no more",
    shorten_what_is_taken: "maxLength is 8, and was 128",
    take_no_null: "nickname: is null before, and only string now",
    take_another_type: "area_code: is string before, and only integer now",
    take_one_value_less: "sms is taken no more",
    want_a_pattern: "user_id: must be like",
    answer_without_a_member: "operation_id: is gone",
    answer_a_member_sometimes: "phone_number: may be absent now",
    answer_null: "area_code: is null now, and only string before",
    answer_another_type: "phone_number: is integer now, and only string before",
    answer_another_format: "id: is a text now, and only a uuid before",
    answer_another_status: "never answers 200 any more",
    answer_no_more_as_csv: "never answers 200 as text/csv any more",
    move_a_code: "`no_numbers_available` has the status 410, and had 409",
    drop_an_event: "event number.released: is gone",
    tell_less_of_an_event: "sequence: ",
}


@pytest.mark.parametrize("planted", BROKEN, ids=lambda one: one.__name__)
def test_what_breaks_a_client_is_found(planted: Any, openapi: dict[str, Any]):
    now = copy.deepcopy(openapi)
    planted(now)

    for before in (openapi, as_kept(openapi)):
        found = breaks(before, now)
        assert [line for line in found if BROKEN[planted] in line], found


def test_an_operation_that_is_gone_is_found(openapi: dict[str, Any]):
    now = copy.deepcopy(openapi)
    del now["paths"][CREATE]

    assert breaks(openapi, now) == [f"POST {CREATE}: is gone"]


def test_what_only_adds_breaks_nobody(openapi: dict[str, Any]):
    now = copy.deepcopy(openapi)
    now["paths"]["/v1/new"] = {"get": create(openapi)}
    create(now)["parameters"].append(
        {"name": "dry_run", "in": "query", "required": False, "schema": {"type": "boolean"}}
    )
    schema(now, "NumberCreate")["properties"]["colour"] = {"type": "string"}
    schema(now, "NumberCreate")["properties"]["user_id"]["maxLength"] = 1000
    schema(now, "NumberCreate")["required"].remove("user_id")
    schema(now, "NumberBought")["properties"]["colour"] = {"type": "string"}
    schema(now, "NumberBought")["required"].append("colour")
    create(now)["responses"]["451"] = {"description": "`unlawful`: Not there."}
    now["webhooks"]["number.praised"] = now["webhooks"]["number.released"]

    assert breaks(openapi, now) == []


def as_kept(openapi: dict[str, Any]) -> dict[str, Any]:
    """As the release is kept in the repository."""
    import gzip
    import json

    found: dict[str, Any] = json.loads(gzip.decompress(kept(openapi)))
    return found
