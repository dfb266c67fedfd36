"""Bad heads: methods, paths, queries and headers, and who is told what of them."""

import json
from uuid import uuid4

import pytest

from tests.http.refusals import nothing_happens, pointers, problem
from tests.support.gateway import CREATE, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

WISH = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION}
NUMBER = "+13135550142"
LIST = f"{NUMBERS}?user_id={USER}&organization_id={ORGANIZATION}"

NO_NUMBERS = {
    "a word": "sales",
    "ten digits": "3135550142",
    "punctuation": "+1-313-555-0142",
    "spaces within": "+1%20313%20555%200142",
    "a space behind": "+13135550142%20",
    "another country": "+442071838750",
    "an area code of 0": "+10135550142",
    "one digit more": "+131355501422",
    "Arabic digits": "+1%D9%A3%D9%A1%D9%A3%D9%A5%D9%A5%D9%A5%D9%A0%D9%A1%D9%A4%D9%A2",
    "NUL": "+1313555%00142",
    "a line feed": "+13135550142%0A",
    "invalid UTF-8": "%FF%FE",
    "twice encoded": "%252B13135550142",
    "5,000 characters": "1" * 5000,
    "quotes": "'%20OR%20'1'='1",
}


async def test_what_is_no_number_is_refused_before_anything_is_looked_up(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for name, number in NO_NUMBERS.items():
            for method, tail in (("DELETE", ""), ("POST", "/update-agent")):
                body = {"json": {"nickname": "N"}} if tail else {}
                answer = await tenant.send(method, f"{NUMBERS}/{number}{tail}", **body)
                told = problem(answer, 400, "invalid_request", about=name)
                assert pointers(told) == {"phone_number"}, name
                assert len(answer.content) < 1500, name


async def test_a_number_is_found_by_every_spelling_a_client_may_send(tenant: Tenant):
    digits = (await tenant.bought())["phone_number"].removeprefix("+")

    for spelling in (f"+{digits}", f"%2B{digits}", digits, f"%20{digits}"):
        answer = await tenant.send("POST", f"{NUMBERS}/{spelling}/update-agent", json={"nickname": spelling})
        assert answer.status_code == 200, answer.text
        assert answer.json()["phone_number"] == f"+{digits}"


BAD_KEYS = {
    "empty": b"",
    "empty quotes": b'""',
    "256 characters": b"k" * 256,
    "10,000 characters": b"k" * 10_000,
    "a space": b"a key",
    "UTF-8": "ключ".encode(),
    "Latin-1": b"cl\xe9",
    "a tab": b"a\tb",
    "an escape": b"a\x1bb",
    "DEL": b"a\x7fb",
    "NUL": b"a\0b",
}


async def test_an_idempotency_key_is_1_to_255_printable_ascii_characters(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for name, key in BAD_KEYS.items():
            headers = [(b"X-API-Key", tenant.key.encode()), (b"Idempotency-Key", key)]
            answer = await gateway.http.post(CREATE, json=WISH, headers=headers)
            assert pointers(problem(answer, 400, "invalid_request", about=name)) == {"Idempotency-Key"}, name

    assert (await tenant.buy(key="k" * 255)).status_code == 200


@pytest.mark.parametrize("name", ["Idempotency-Key", "Prefer", "X-API-Key", "Authorization"])
async def test_a_header_that_two_readers_could_read_differently_may_come_once(
    gateway: Gateway, tenant: Tenant, name: str
):
    key = {"X-API-Key": tenant.key, "Authorization": f"Bearer {tenant.key}"}.get(name, "wait=1")
    async with nothing_happens(gateway):
        headers = [("X-API-Key", tenant.key)] if name != "X-API-Key" else []
        answer = await gateway.http.post(CREATE, json=WISH, headers=[*headers, (name, key), (name, key)])
        assert pointers(problem(answer, 400, "invalid_request")) == {name.lower()}


QUERIES = {
    "": {"user_id", "organization_id"},
    "user_id=&organization_id=": {"user_id", "organization_id"},
    f"user_id={'x' * 129}&organization_id=o": {"user_id"},
    f"user_id={'x' * 10_000}&organization_id=o": {"user_id"},
    "user_id=a%00b&organization_id=%E2%80%AE": {"user_id", "organization_id"},
    "user_id=u&organization_id=o&is_admin=perhaps&phone_type=fax&limit=0": {"is_admin", "phone_type", "limit"},
    "user_id=u&organization_id=o&limit=1001": {"limit"},
    "user_id=u&organization_id=o&limit=1e2": {"limit"},
    f"user_id=u&organization_id=o&limit={'9' * 5000}": {"limit"},
    "user_id=u&user_id=v&organization_id=o": {"user_id"},
    f"{LIST.partition('?')[2]}&cursor=x": {"limit"},
    f"{LIST.partition('?')[2]}&limit=5&cursor=x": {"cursor"},
    f"{LIST.partition('?')[2]}&limit=5&cursor=": {"cursor"},
    f"{LIST.partition('?')[2]}&limit=5&cursor=%C3%A9": {"cursor"},
    f"{LIST.partition('?')[2]}&limit=5&cursor={'x' * 1001}": {"cursor"},
}


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
async def test_a_listing_takes_no_parameter_for_what_it_is_not(tenant: Tenant, query: str):
    answer = await tenant.get(f"{NUMBERS}?{query}")
    assert pointers(problem(answer, 400, "invalid_request", about=query)) == QUERIES[query]


async def test_faults_are_told_in_plain_words_and_name_what_is_allowed(gateway: Gateway, tenant: Tenant):
    whole = {"name": 5, "expires_at": "soon", "scopes": "all", "organization_ids": []}
    answers = [
        await gateway.admin.send("POST", f"/v1/admin/tenants/{tenant.id}/keys", json=whole),
        await gateway.admin.send("POST", "/v1/admin/keys/x/rotate", json={"overlap_seconds": -1}),
        await gateway.admin.get("/v1/admin/keys?state=god&limit=ten"),
        await gateway.admin.get("/v1/admin/audit?object_kind=tennant&after=yesterday"),
        await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json={"state": "open", "account_id": "x"}),
    ]
    told = {one["pointer"]: one["detail"] for a in answers for one in problem(a, 400, "invalid_request")["errors"]}

    assert told["/name"] == "must be a string"
    assert told["/scopes"] == "must be a list"
    assert told["/overlap_seconds"] == "must be 0 or more"
    assert told["key_id"].startswith("must be a UUID")
    assert (told["state"], told["limit"]) == ("must be 'good', 'expired' or 'revoked'", "must be a whole number")
    assert "'tenant', 'user' or 'webhook'" in told["object_kind"]
    assert told["/state"] == "must be 'active', 'suspended' or 'closed'"
    assert {"/expires_at", "/organization_ids", "after", "/account_id"} <= told.keys()
    assert not [words for words in told.values() if "Input should" in words or "{" in words], told


async def test_own_paths_refuse_parameters_they_do_not_know_and_any_given_twice(gateway: Gateway, tenant: Tenant):
    operation = f"/v1/operations/{uuid4()}"
    for path, faults in (
        (f"{operation}?wiat=5&x%00=1", {"wiat", "x\ufffd"}),
        (f"{operation}?wait=1&wait=2", {"wait"}),
        (f"{operation}?wait=-1&colour=red", {"wait", "colour"}),
        (f"{operation}?wait=61", {"wait"}),
        (f"{operation}?wait=nan", {"wait"}),
        (f"{operation}?wait=inf", {"wait"}),
        ("/v1/operations/1?wait=x", {"operation_id", "wait"}),
        (f"/v1/operations/{'1' * 5000}", {"operation_id"}),
        ("/v1/operations/%00", {"operation_id"}),
        ("/v1/numbers/none", {"number_id"}),
        ("/v1/numbers/%00?x=1", {"number_id", "x"}),
    ):
        assert pointers(problem(await tenant.get(path), 400, "invalid_request", about=path)) == faults, path
    doubts = await gateway.operator.get("/v1/admin/doubts?limit=0&cursor=x&state=open")
    assert pointers(problem(doubts, 400, "invalid_request")) == {"limit", "state"}


async def test_ids_in_admin_paths_are_checked_before_anything_is_written(gateway: Gateway):
    async with nothing_happens(gateway):
        for path, fault in (
            ("/v1/admin/organizations/%00", "organization_id"),
            (f"/v1/admin/organizations/{'x' * 129}", "organization_id"),
            ("/v1/admin/organizations/a%20b", "organization_id"),
            ("/v1/admin/organizations/o%0A", "organization_id"),
            (f"/v1/admin/organizations/{ORGANIZATION}/users/%E2%80%AE", "user_id"),
            ("/v1/admin/tenants/-x", "tenant_id"),
            ("/v1/admin/tenants/x%0A", "tenant_id"),
            (f"/v1/admin/tenants/{'x' * 65}", "tenant_id"),
            ("/v1/admin/tenants/%D1%82", "tenant_id"),
            ("/v1/admin/tenants/a%20b/quotas", "tenant_id"),
        ):
            answer = await gateway.admin.send("PUT", path, json={})
            assert pointers(problem(answer, 400, "invalid_request", about=path)) == {fault}, path
        answer = await gateway.admin.send("DELETE", "/v1/admin/keys/none")
        assert pointers(problem(answer, 400, "invalid_request")) == {"key_id"}


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/csv", 406),
        ("application/json;q=0", 406),
        ("application/xml, image/*", 406),
        ("nonsense", 406),
        ("application/json;q=0.1, text/csv", 404),
        ("text/csv, */*;q=0.5", 404),
        ("application/problem+json", 404),
        ("", 404),
    ],
)
async def test_an_answer_that_cannot_be_given_as_asked_is_406(tenant: Tenant, accept: str, status: int):
    answer = await tenant.get(f"/v1/operations/{uuid4()}", headers={"Accept": accept})
    problem(answer, status, {406: "not_acceptable", 404: "not_found"}[status])


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonx",
        "json",
        "",
    ],
)
async def test_a_body_that_is_not_sent_as_json_is_415(gateway: Gateway, tenant: Tenant, content_type: str):
    async with nothing_happens(gateway):
        headers = {"Content-Type": content_type} if content_type else {}
        answer = await tenant.send("POST", CREATE, content=json.dumps(WISH), headers=headers)
        problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", "APPLICATION/JSON", "application/merge+json"]
)
async def test_json_is_json_under_all_its_names(tenant: Tenant, content_type: str):
    answer = await tenant.send("POST", CREATE, content=json.dumps(WISH), headers={"Content-Type": content_type})
    assert answer.status_code == 200, answer.text


async def test_two_megabytes_are_too_much_announced_or_not(gateway: Gateway, tenant: Tenant):
    sent = 0

    async def chunks():
        nonlocal sent
        for _ in range(64):
            sent += 1
            yield b" " * 32_768

    async with nothing_happens(gateway):
        whole = await tenant.send("POST", CREATE, json=WISH | {"nickname": "x" * 2_000_000})
        problem(whole, 413, "body_too_large")
        chunked = await tenant.send("POST", CREATE, content=chunks(), headers={"Content-Type": "application/json"})
        problem(chunked, 413, "body_too_large")
        assert "content-length" not in chunked.request.headers
        assert sent == 33, "what is over the limit is not read to its end"


@pytest.mark.parametrize("head", ["a header", "many headers", "the query", "the path"])
async def test_a_head_of_more_than_32_kilobytes_is_431(gateway: Gateway, tenant: Tenant, head: str):
    path, headers = f"/v1/operations/{uuid4()}", {}
    match head:
        case "a header":
            headers = {"X-Long": "x" * 40_000}
        case "many headers":
            headers = {f"X-{n}": "x" * 100 for n in range(400)}
        case "the query":
            path += f"?x={'x' * 40_000}"
        case "the path":
            path += "x" * 40_000
    problem(await tenant.get(path, headers=headers), 431, "headers_too_large")


async def test_a_wrong_method_is_405_and_names_the_right_ones(gateway: Gateway, tenant: Tenant):
    for path, allowed in (
        (CREATE, "POST"),
        (NUMBERS, "GET"),
        (f"{NUMBERS}/{NUMBER}", "DELETE"),
        (f"{NUMBERS}/{NUMBER}/update-agent", "POST"),
        (f"/v1/operations/{uuid4()}", "GET"),
        (f"/v1/numbers/{uuid4()}", "GET, PATCH"),
        ("/v1/numbers/bulk", "POST"),
        ("/v1/imports/csv", "POST"),
        ("/v1/admin/organizations/sync", "POST"),
        ("/v1/admin/organizations/o1/users/sync", "POST"),
        ("/v1/filters", "GET, POST"),
        (f"/v1/filters/{uuid4()}", "DELETE, GET, PUT"),
        ("/v1/billing/budgets", "GET, POST"),
        (f"/v1/billing/budgets/{uuid4()}", "DELETE, GET, PUT"),
        ("/v1/billing/invoices", "GET, POST"),
        ("/v1/billing/invoices/preview", "POST"),
        (f"/v1/billing/invoices/{uuid4()}", "DELETE, GET"),
        ("/v1/agents", "GET"),
        ("/v1/activity", "GET"),
        ("/v1/names", "GET"),
        ("/v1/drift", "GET"),
        (f"/v1/drift/{uuid4()}/resolve", "POST"),
        ("/v1/admin/organizations/o1", "GET, PUT"),
        ("/v1/admin/organizations/o1/users/u1", "GET, PUT"),
        (f"/v1/admin/tenants/{tenant.id}/quotas", "GET, PUT"),
        (f"/v1/admin/keys/{uuid4()}", "DELETE"),
        ("/v1/admin/doubts", "GET"),
        ("/healthz", "GET"),
        ("/readyz", "GET"),
        ("/openapi.json", "GET, HEAD"),
    ):
        for method in {"GET", "PUT", "PATCH", "POST", "OPTIONS", "TRACE"} - set(allowed.split(", ")):
            answer = await tenant.send(method, path)
            problem(answer, 405, "method_not_allowed", about=f"{method} {path}")
            assert answer.headers["allow"] == allowed, f"{method} {path}"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/voice", f"{NUMBERS}/", f"{CREATE}/", "//healthz", "/%00"])
async def test_an_unknown_path_is_404(tenant: Tenant, path: str):
    problem(await tenant.get(path), 404, "not_found")


STRANGERS = {
    "no key": ({}, "missing_key"),
    "an empty key": ({"X-API-Key": ""}, "missing_key"),
    "no key of ours": ({"X-API-Key": "hunter2"}, "invalid_key"),
    "another scheme": ({"Authorization": "Basic aHVudGVyMjo="}, "missing_key"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_stranger_is_told_that_and_nothing_of_the_request(gateway: Gateway, tenant: Tenant, stranger: str):
    headers, code = STRANGERS[stranger]
    number = (await tenant.bought())["phone_number"]
    async with nothing_happens(gateway):
        for method, path in (
            ("POST", CREATE),
            ("POST", f"{CREATE}?a=1&a=2"),
            ("GET", NUMBERS),
            ("GET", f"{NUMBERS}?limit=x"),
            ("POST", f"{NUMBERS}/{number}/update-agent"),
            ("POST", f"{NUMBERS}/not-a-number/update-agent?x=1"),
            ("DELETE", f"{NUMBERS}/{number}"),
            ("DELETE", f"{NUMBERS}/not-a-number?id=x"),
            ("GET", "/v1/operations/x?y=z"),
            ("GET", f"/v1/numbers/{number}"),
            ("GET", "/v1/numbers/x?y=z"),
            ("PUT", "/v1/admin/organizations/%00?x=1"),
            ("PUT", "/v1/admin/organizations/o/users/%00"),
            ("PUT", "/v1/admin/tenants/%00"),
            ("POST", "/v1/admin/tenants/%00/keys"),
            ("DELETE", "/v1/admin/keys/x"),
            ("POST", "/v1/admin/keys/x/rotate"),
            ("GET", f"/v1/admin/tenants/{tenant.id}/quotas"),
            ("PUT", f"/v1/admin/tenants/{tenant.id}/quotas"),
            ("GET", "/v1/admin/doubts?limit=x&y=z"),
        ):
            for content in (b"{}", b"{", b"\xff", b"[" * 5000, b'{"a":1,"a":2}', b"null", b""):
                for kind in ("application/json", "text/plain"):
                    answer = await gateway.http.request(
                        method, path, content=content, headers=headers | {"Content-Type": kind, "Idempotency-Key": ""}
                    )
                    told = problem(answer, 401, code, about=f"{method} {path} {content[:20]!r}")
                    assert "errors" not in told
                    assert answer.headers["www-authenticate"] == 'Bearer realm="numbergate"'


async def test_a_key_without_the_scope_is_told_that_before_what_is_wrong_with_the_body(gateway: Gateway):
    reader = await gateway.tenant(scopes=["numbers:read"])
    async with nothing_happens(gateway):
        assert problem(await reader.buy(area_code="800"), 403, "scope_missing")["scope"] == "numbers:create"
        update = await reader.send("POST", f"{NUMBERS}/{NUMBER}/update-agent", json={"nickname": 5})
        assert problem(update, 403, "scope_missing")["scope"] == "agents:link"
        release = await reader.send("DELETE", f"{NUMBERS}/{NUMBER}?id=x")
        assert problem(release, 403, "scope_missing")["scope"] == "numbers:release"
        for method, path in (("PUT", "/v1/admin/organizations/o1"), ("PUT", f"/v1/admin/tenants/{reader.id}/quotas")):
            answer = await reader.send(method, path, json={"colour": 1})
            assert problem(answer, 403, "scope_missing")["scope"] == "admin:write"


async def test_an_administrator_is_no_tenant_and_buys_nothing(gateway: Gateway):
    async with nothing_happens(gateway):
        assert problem(await gateway.admin.buy(), 403, "scope_missing")["scope"] == "numbers:create"


async def test_every_answer_carries_a_request_id_and_keeps_a_callers_own(tenant: Tenant):
    kept = await tenant.get("/healthz", headers={"X-Request-ID": "my-id.1"})
    assert kept.headers["x-request-id"] == "my-id.1"
    for unfit in ("", "two words", "x" * 129, "a\x1bb"):
        answer = await tenant.get("/healthz", headers={"X-Request-ID": unfit})
        assert answer.headers["x-request-id"] not in ("", unfit)
        assert len(answer.headers["x-request-id"]) == 36
    for path in ("/readyz", "/openapi.json", "/docs", LIST, "/nowhere"):
        assert (await tenant.get(path)).headers["x-request-id"]
