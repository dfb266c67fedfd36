"""What a browser may do with our answers, and how much of a request is read at all."""

import asyncio
import re
from uuid import uuid4

import pytest

from service.http.body import MOST_VALUES
from service.http.edge import STANDARD
from tests.http.refusals import nothing_happens, problem
from tests.http.serving import served
from tests.support.gateway import CREATE, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

LIST = f"{NUMBERS}?user_id={USER}&organization_id={ORGANIZATION}"
WISH = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION}
EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
}
ORIGIN = {"Origin": "https://elsewhere.example"}
PREFLIGHT = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


async def test_every_answer_forbids_a_browser_to_guess_keep_frame_or_run_it(gateway: Gateway, tenant: Tenant):
    answers = [
        await tenant.get(LIST),
        await tenant.buy("800"),
        await tenant.get("/nowhere"),
        await tenant.send("PATCH", CREATE),
        await tenant.get(LIST, headers={"X-Long": "x" * 40_000}),
        await gateway.http.get(LIST),
        await gateway.http.get("/healthz"),
        await gateway.http.get("/openapi.json"),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 404, 405, 431, 401, 200, 200]
    for answer in answers:
        assert EVERYWHERE.items() <= dict(answer.headers).items(), answer.url


async def test_what_is_no_http_is_refused_with_the_same_headers(gateway: Gateway):
    async with served(gateway) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"nonsense\r\n\r\n")
        head = (await reader.read()).partition(b"\r\n\r\n")[0].decode()
        writer.close()
    assert head.startswith("HTTP/1.1 400 ")
    for name, value in EVERYWHERE.items():
        assert f"{name}: {value}" in head


@pytest.mark.parametrize(
    ("url", "headers", "told"),
    [
        ("http://numbergate/healthz", {}, False),
        ("http://numbergate/healthz", {"X-Forwarded-Proto": "http"}, False),
        ("http://numbergate/healthz", {"X-Forwarded-Proto": "https"}, True),
        ("https://numbergate/healthz", {}, True),
    ],
)
async def test_strict_transport_is_asked_for_over_https_alone(
    gateway: Gateway, url: str, headers: dict[str, str], told: bool
):
    answer = await gateway.http.get(url, headers=headers)
    assert ("strict-transport-security" in answer.headers) is told


async def test_no_page_of_another_origin_is_let_in(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for path in (CREATE, LIST, "/v1/admin/tenants", "/healthz", "/docs", "/openapi.json", "/nowhere"):
            for method, headers in (("OPTIONS", PREFLIGHT), ("GET", ORIGIN), ("HEAD", ORIGIN), ("POST", ORIGIN)):
                answer = await tenant.send(method, path, headers=headers)
                assert not [name for name in answer.headers if name.startswith("access-control-")], path
                if method == "OPTIONS" and path != "/nowhere":
                    problem(answer, 405, "method_not_allowed", about=path)


async def test_the_page_of_docs_loads_nothing_from_elsewhere_and_runs_no_script_within(gateway: Gateway):
    page = await gateway.http.get("/docs", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in policy + page.text
    assert not re.search(r"<style|style=|\son\w+=|<script(?! src=\"[^\"]+\"></script>)", page.text)

    loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', page.text)
    loaded = [path for path in loaded if not path.startswith("data:")]
    assert len(loaded) == 3
    kinds = {"css": "text/css", "js": "javascript"}
    for path in loaded:
        answer = await gateway.http.get(f"/{path}")
        assert answer.status_code == 200, path
        assert kinds[path.rpartition(".")[2]] in answer.headers["content-type"], path
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert 'url: "openapi.json"' in (await gateway.http.get("/docs/docs.js")).text


async def test_a_query_of_too_many_parameters_or_bytes_is_431(gateway: Gateway, tenant: Tenant):
    path = f"/v1/operations/{uuid4()}"
    most = "&".join(f"p{n}=" for n in range(STANDARD.parameters))
    problem(await tenant.get(f"{path}?{most}"), 400, "invalid_request")
    for query in (most + "&p=", "&" * 200, "x" * (STANDARD.query + 1)):
        problem(await tenant.get(f"{path}?{query}"), 431, "headers_too_large", about=query[:20])


async def test_more_than_a_hundred_headers_are_431(tenant: Tenant):
    few, many = ({f"X-{n}": "" for n in range(count)} for count in (50, STANDARD.headers + 1))
    assert (await tenant.get("/healthz", headers=few)).status_code == 200
    problem(await tenant.get("/healthz", headers=many), 431, "headers_too_large")


@pytest.mark.parametrize("shape", ["a list", "members", "lists of lists"])
async def test_a_body_of_more_values_than_any_request_needs_is_refused_unlooked_at(
    gateway: Gateway, tenant: Tenant, shape: str
):
    many = MOST_VALUES + 1
    bodies: dict[str, dict[str, object]] = {
        "a list": {"tags": [0] * many},
        "members": {f"m{n}": 0 for n in range(many)},
        "lists of lists": {"tags": [[[0] * 100] * 10] * 11},
    }
    async with nothing_happens(gateway):
        told = problem(await tenant.send("POST", CREATE, json={**WISH, **bodies[shape]}), 400, "invalid_request")
    assert told["errors"] == [{"pointer": "", "detail": f"holds more than {MOST_VALUES} values"}]
