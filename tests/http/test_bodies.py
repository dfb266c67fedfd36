"""Bad bodies: each field in every way, all faults at once, and what is no JSON at all."""

import json
from typing import Any

import pytest

from service.http.body import read_json
from service.kit.errors import InvalidRequest
from tests.http.refusals import nothing_happens, pointers, problem
from tests.support.gateway import CREATE, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

NUMBER = "+13135550142"
UPDATE = f"{NUMBERS}/{NUMBER}/update-agent"
WISH = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION}
JSON = {"content-type": "application/json"}
LONG = "x" * 10_000
# What no text field takes. Written escaped into the body, as a client would.
UNFIT = {
    "a number": 5,
    "true": True,
    "a list": ["x"],
    "an object": {"x": 1},
    "10,000 characters": LONG,
    "a line feed": "a\nb",
    "a bell": "\a",
    "NUL": "a\0b",
    "DEL": "\x7f",
    "a C1 control": "\x9b31m",
    "a lone surrogate": "\ud800",
    "a reversed pair": "\udc00\ud800",
    "a right-to-left mark": "a\u200fb",
    "a right-to-left override": "\u202eb",
    "an isolate": "\u2066b",
    "a line separator": "\u2028",
}
REQUIRED = UNFIT | {"nothing": None, "an empty text": ""}
OPTIONAL = UNFIT | {"an empty text": ""}
NEITHER_TEXT_NOR_LIST = {name: value for name, value in REQUIRED.items() if name not in ("a list", "nothing")}

TEXTS_OF_CREATE = {
    "area_code": REQUIRED,
    "user_id": REQUIRED,
    "organization_id": OPTIONAL,
    "tenant_id": OPTIONAL,
    "nickname": OPTIONAL,
    "cost_center": OPTIONAL,
    "inbound_agent_id": OPTIONAL,
    "outbound_agent_id": OPTIONAL,
    "tags": NEITHER_TEXT_NOR_LIST,
}


@pytest.mark.parametrize("field", TEXTS_OF_CREATE)
async def test_no_field_of_a_create_takes_what_it_is_not_for(gateway: Gateway, tenant: Tenant, field: str):
    async with nothing_happens(gateway):
        for name, value in TEXTS_OF_CREATE[field].items():
            answer = await tenant.send("POST", CREATE, content=json.dumps(WISH | {field: value}), headers=JSON)

            code = "invalid_area_code" if field == "area_code" and isinstance(value, str) else "invalid_request"
            body = problem(answer, 400, code, about=f"{field} as {name}")
            assert pointers(body) == {f"/{field}"}, f"{field} as {name}"
            assert len(answer.content) < 3000, f"{field} as {name}"


async def test_a_tag_takes_no_more_than_any_other_text(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for name, value in REQUIRED.items():
            content = json.dumps(WISH | {"tags": ["fit", value]})
            body = problem(await tenant.send("POST", CREATE, content=content, headers=JSON), 400, "invalid_request")
            assert pointers(body) == {"/tags/1"}, name
        too_many = await tenant.buy(tags=[f"tag {n}" for n in range(21)])
        assert pointers(problem(too_many, 400, "invalid_request")) == {"/tags"}


@pytest.mark.parametrize("field", ["inbound_agent_id", "outbound_agent_id", "nickname"])
async def test_no_field_of_an_update_takes_what_it_is_not_for(gateway: Gateway, tenant: Tenant, field: str):
    async with nothing_happens(gateway):
        for name, value in UNFIT.items():
            answer = await tenant.send("POST", UPDATE, content=json.dumps({field: value}), headers=JSON)
            assert pointers(problem(answer, 400, "invalid_request", about=name)) == {f"/{field}"}, name


async def test_all_faults_of_a_request_are_told_at_once(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        body = {"area_code": "800", "nickname": "\a", "tags": ["ok", ""], "cost_center": 7, "tenant_id": ""}
        answer = await tenant.send("POST", CREATE, json=body, headers={"Idempotency-Key": "a b"})

        told = problem(answer, 400, "invalid_request")

        assert pointers(told) == {
            "/area_code", "/user_id", "/nickname", "/tags/1", "/cost_center", "/tenant_id", "Idempotency-Key"
        }  # fmt: skip
        everywhere = await tenant.send(
            "POST",
            f"{NUMBERS}/not-a-number/update-agent?limit=1&limit=2",
            json={"nickname": 5},
            headers={"Prefer": "x"},
        )
        assert pointers(problem(everywhere, 400, "invalid_request")) == {"phone_number", "/nickname"}


async def test_an_update_must_say_what_it_changes(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for content in ("{}", '{"colour": "red"}'):
            answer = await tenant.send("POST", UPDATE, content=content, headers=JSON)
            assert "needs at least one of" in problem(answer, 400, "invalid_request")["detail"]


NOT_AN_OBJECT = {
    "no body": b"",
    "white space": b"  ",
    "text": b"area_code=313",
    "cut short": b'{"area_code": "313", "user_',
    "two objects": b"{}{}",
    "a trailing comma": b'{"area_code": "313",}',
    "single quotes": b"{'area_code': '313'}",
    "an array": b"[]",
    "a string": b'"313"',
    "a number": b"313",
    "null": b"null",
    "NaN": b"NaN",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
}
UNREADABLE = {
    "NaN in a field": b'"x": NaN',
    "minus Infinity in a field": b'"x": -Infinity',
    "a name given twice": b'"area_code": "212"',
    "a name given twice further in": b'"x": [{"y": 1, "y": 2}]',
    "nesting of 33 levels": b'"x": ' + b"[" * 33 + b"]" * 33,
    "nesting of 300 levels": b'"x": ' + b'{"x":' * 300 + b"1" + b"}" * 300,
    "nesting of 100,000 levels": b'"x": ' + b"[" * 100_000 + b"]" * 100_000,
    "invalid UTF-8": b'"x": "\xff"',
    "an overlong encoding": b'"x": "\xc0\xaf"',
    "a surrogate encoded as such": b'"x": "\xed\xa0\x80"',
    "a name that is half a surrogate pair": b'"\\ud800": 1',
}


async def test_what_is_no_json_object_is_refused_and_said_so(gateway: Gateway, tenant: Tenant):
    wish = json.dumps(WISH)[:-1].encode()
    bodies = NOT_AN_OBJECT | {name: wish + b"," + more + b"}" for name, more in UNREADABLE.items()}
    paths = [("POST", CREATE), ("POST", UPDATE), ("PUT", "/v1/admin/organizations/o1")]
    async with nothing_happens(gateway):
        for name, content in bodies.items():
            for method, path in paths:
                sender = gateway.admin if "admin" in path else tenant
                answer = await sender.send(method, path, content=content, headers=JSON)
                told = problem(answer, 400, "invalid_request", about=f"{name} to {path}")
                assert pointers(told) == {""}, f"{name} to {path}"
                assert len(answer.content) < 1000, f"{name} to {path}"


async def test_unfit_text_in_a_field_that_is_ignored_is_ignored_too(gateway: Gateway, tenant: Tenant):
    strange = {"lone": "\ud800", "huge": 10**4000, "deep": [[[["x"]]]], "marked \u202e": [{"\ud800": 1}]}
    content = json.dumps(WISH | strange)

    first, again = [
        await tenant.send("POST", CREATE, content=content, headers=JSON | {"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert first.status_code == 200, first.text
    assert again.content == first.content
    warned = first.json()["warnings"]
    assert [warning.split(":")[0] for warning in warned] == ["deep", "huge", "lone", "marked \ufffd"]


async def test_unknown_fields_on_telis_paths_are_ignored_and_named(gateway: Gateway, tenant: Tenant):
    bought = await tenant.send("POST", f"{CREATE}?source=crm", json=WISH | {"colour": "red", "x" * 10_000: 1})

    number = bought.json()["phone_number"]
    assert bought.json()["warnings"] == [
        "colour: not a field of this request, ignored",
        f"{'x' * 64}…: not a field of this request, ignored",
        "source: not a parameter of this path, ignored",
    ]
    updated = await tenant.send("POST", f"{NUMBERS}/{number}/update-agent?a=1&a=2", json={"nickname": "N", "colour": 1})
    assert updated.json()["warnings"] == [
        "colour: not a field of this request, ignored",
        "a: not a parameter of this path, ignored",
    ]
    listed = await tenant.get(f"{NUMBERS}?user_id={USER}&organization_id={ORGANIZATION}&sort=up")
    assert listed.json()["warnings"] == ["sort: not a parameter of this path, ignored"]
    assert listed.json()["count"] == 1
    released = await tenant.send("DELETE", f"{NUMBERS}/{number}?hurry=true")
    assert released.json()["warnings"] == ["hurry: not a parameter of this path, ignored"]


async def test_a_thousand_unknown_fields_make_twenty_warnings(tenant: Tenant):
    body = await tenant.bought(**{f"field{n:04}": n for n in range(1000)})
    assert len(body["warnings"]) == 20


# path: (method, a body that would do, its fields with what each does not take)
WRONG_TYPES: dict[str, Any] = {"a list": [], "an object": {}, "text": "x", "true": True}
ADMIN_BODIES: dict[str, tuple[str, dict[str, Any], dict[str, dict[str, Any]]]] = {
    "/v1/admin/organizations/o1": ("PUT", {"name": "O"}, {"name": OPTIONAL}),
    f"/v1/admin/organizations/{ORGANIZATION}/users/u1": (
        "PUT",
        {"name": "U"},
        {"name": OPTIONAL, "email": OPTIONAL, "exclusive": {"null": None, "text": "true", "a number": 1, "a list": []}},
    ),
    "/v1/admin/tenants/t1": (
        "PUT",
        {"name": "T", "organization_ids": [ORGANIZATION]},
        {"name": OPTIONAL, "organization_ids": {"text": ORGANIZATION, "an object": {}, "a number": 1}},
    ),
    "/v1/admin/tenants/{tenant}/keys": (
        "POST",
        {"name": "K", "scopes": ["numbers:read"]},
        {
            "name": OPTIONAL | {"nothing": None},
            "scopes": {"nothing": None, "none": [], "text": "numbers:read", "21": ["numbers:read"] * 21},
            "expires_at": {
                "text": "tomorrow",
                "empty": "",
                "without a zone": "2030-01-01T00:00:00",
                "the past": "2020-01-01T00:00:00Z",
                "the end of time": "9999-12-31T23:59:59-23:00",
                "its beginning": "0001-01-01T00:00:00+23:00",
                "a list": [],
                "10,000 characters": LONG,
            },
        },
    ),
    "/v1/admin/keys/{key}/rotate": (
        "POST",
        {"overlap_seconds": 60},
        {"overlap_seconds": WRONG_TYPES | {"null": None, "negative": -1, "31 days": 31 * 86400, "1e400": 10**400}},
    ),
    "/v1/admin/tenants/{tenant}/quotas": (
        "PUT",
        {"numbers_held": 5},
        {"numbers_held": WRONG_TYPES | {"negative": -1, "a fraction": 1.5, "huge": 10**18, "huger": 10**400}},
    ),
}


@pytest.mark.parametrize("path", ADMIN_BODIES)
async def test_no_field_of_an_admin_path_takes_what_it_is_not_for(gateway: Gateway, tenant: Tenant, path: str):
    method, fit, fields = ADMIN_BODIES[path]
    [[key]] = await gateway.sql("SELECT id::text FROM api_keys WHERE tenant_id = :id", id=tenant.id)
    path = path.format(tenant=tenant.id, key=key)
    async with nothing_happens(gateway):
        for field, values in fields.items():
            for name, value in values.items():
                content = json.dumps(fit | {field: value})
                answer = await gateway.admin.send(method, path, content=content, headers=JSON)
                told = problem(answer, 400, "invalid_request", about=f"{field} as {name}")
                assert all(one.startswith(f"/{field}") for one in pointers(told)), f"{field} as {name}: {told}"

        both = await gateway.admin.send(method, f"{path}?dry=1", json=fit | {"colour": 1, "x" * 10_000: 1})
        assert pointers(problem(both, 400, "invalid_request")) == {"dry", "/colour", f"/{'x' * 64}…"}


async def test_an_absent_field_that_is_required_is_named(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        absent = await tenant.send("POST", CREATE, json={})
        assert pointers(problem(absent, 400, "invalid_request")) == {"/area_code", "/user_id"}
        absent = await gateway.admin.send("POST", f"/v1/admin/tenants/{tenant.id}/keys", json={})
        assert pointers(problem(absent, 400, "invalid_request")) == {"/name", "/scopes"}


async def test_a_thousand_faults_are_told_as_a_hundred(gateway: Gateway):
    answer = await gateway.admin.send("PUT", "/v1/admin/organizations/o1", json={f"field{n}": n for n in range(1000)})
    assert len(problem(answer, 400, "invalid_request")["errors"]) == 100


async def test_scopes_that_a_tenants_key_cannot_hold_are_refused_by_name(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        answer = await gateway.admin.send(
            "POST", f"/v1/admin/tenants/{tenant.id}/keys", json={"name": "K", "scopes": ["admin:*", "flying", 5]}
        )
        assert pointers(problem(answer, 400, "invalid_request")) == {"/scopes/0", "/scopes/1", "/scopes/2"}


async def test_an_organisation_nobody_filed_cannot_be_granted(gateway: Gateway):
    async with nothing_happens(gateway):
        answer = await gateway.admin.send("PUT", "/v1/admin/tenants/t1", json={"organization_ids": ["o1", "o2"]})
        told = problem(answer, 400, "invalid_request")
        assert [fault["detail"].split()[0] for fault in told["errors"]] == ["o1", "o2"]


def test_of_a_hundred_thousand_names_the_one_that_comes_twice_is_found_by_one_pass():
    """By comparing each with each it would take minutes, and a timeout of this test."""
    names = [*range(100_000), 99_999]

    with pytest.raises(InvalidRequest, match="99999 twice"):
        read_json(("{" + ",".join(f'"{name}":0' for name in names) + "}").encode())
