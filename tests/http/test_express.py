"""Whatever is asked: what the express lane answers, the framework would answer alike; the rest it leaves to that."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from service.http.edge import Edge
from service.http.express import Express
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

CREATE, LISTING = "/v1/voice/phone-numbers/create", "/v1/voice/phone-numbers"
Ask = dict[str, Any]
Oddity = Callable[[Ask], None]


def head(name: str, value: str) -> Oddity:
    return lambda ask: ask["headers"].append((name, value))


def without(name: str) -> Oddity:
    def leave_out(ask: Ask) -> None:
        ask["headers"] = [pair for pair in ask["headers"] if pair[0] != name]

    return leave_out


def body(content: bytes) -> Oddity:
    return lambda ask: ask.update(content=content)


def member(**members: Any) -> Oddity:
    def put(ask: Ask) -> None:
        ask["members"] |= members

    return put


def query(text: str) -> Oddity:
    return lambda ask: ask.update(query="&".join(filter(None, (ask["query"], text))))


ANYWHERE: tuple[Oddity, ...] = (
    without("x-api-key"),
    head("x-api-key", "again"),
    head("authorization", "Bearer ng_test_0000"),
    head("authorization", "Basic abc"),
    head("cookie", "a=b"),
    head("prefer", "respond-async"),
    head("prefer", "wait=0"),
    head("if-none-match", '"abc"'),
    head("if-none-match", "abc"),
    head("accept", "text/html"),
    head("idempotency-key", "another"),
    head("x-forwarded-for", "203.0.113.9"),
    head("content-type", "text/plain"),
    without("content-type"),
    head("content-encoding", "gzip"),
    query("nobody=knows"),
    query("limit=1"),
    query("limit=0"),
    query("user_id=%00"),
    query("user_id="),
    query("organization_id=another"),
    query("is_admin=true"),
    query("phone_type=fax"),
)
OF_CREATES: tuple[Oddity, ...] = (
    without("idempotency-key"),
    head("idempotency-key", ""),
    body(b""),
    body(b"{"),
    body(b"[]"),
    body(b"null"),
    body(b'{"area_code": "313", "area_code": "313"}'),
    body(b'{"area_code": NaN}'),
    body(b'\xff{"area_code": "313"}'),
    body(b"[" * 40 + b"]" * 40),
    member(area_code="31"),
    member(area_code="800"),
    member(area_code=313),
    member(user_id=""),
    member(user_id="x" * 129),
    member(user_id="nobody"),
    member(organization_id="not-ours"),
    member(tenant_id="another"),
    member(nickname="[0123456789ABC] Sales"),
    member(nickname="\u202eSales"),
    member(tags=["a"] * 60),
    member(nobody="knows"),
)


def asked(ask: Ask, oddities: Sequence[Oddity]) -> Ask:
    ask = {"query": "", "members": {}, "content": None, **ask, "headers": list(ask["headers"])}
    for oddity in oddities:
        oddity(ask)
    members = ask.pop("members")
    if ask["content"] is None:
        ask["content"] = orjson.dumps(members) if members else b""
    url, question = ask.pop("url"), ask.pop("query")
    return {**ask, "url": f"{url}?{question}" if question else url}


class Watched(Express):
    """Counts what it answered."""

    def __init__(self, of: Express) -> None:
        self.of, self.answered = of, 0

    async def __call__(self, *args: Any) -> bool:
        answered = await self.of(*args)
        self.answered += answered
        return answered


async def both_ways(gateway: Gateway, ask: Ask) -> tuple[Any, Any, bool]:
    """As the lane answers and as the framework does, and whether the lane did answer."""
    edge: Edge = gateway.app
    assert edge.express is not None
    lane = Watched(edge.express)
    told = []
    try:
        for express in (lane, None):
            edge.express = express
            answer = await gateway.http.request(**ask)
            heads = [pair for pair in answer.headers.multi_items() if pair[0] != "transfer-encoding"]
            told.append((answer.status_code, sorted(heads), answer.content))
    finally:
        edge.express = lane.of
    return told[0], told[1], lane.answered > 0


def common(tenant: Tenant) -> list[tuple[str, str]]:
    return [("x-api-key", tenant.key), ("x-request-id", "asked"), ("content-type", "application/json")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(oddities=st.lists(st.sampled_from(ANYWHERE + OF_CREATES), max_size=2), extra=st.sampled_from(["", "named"]))
async def test_a_create_is_answered_alike_both_ways(
    gateway: Gateway, tenant: Tenant, oddities: list[Oddity], extra: str
):
    headers = [*common(tenant), ("idempotency-key", f"create-{extra}")]
    plain: Ask = {"method": "POST", "url": CREATE, "headers": headers}
    plain["members"] = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION}
    if extra:
        plain["members"]["nickname"] = "Sales"
    # What is bought once is told alike from then on.
    bought = await gateway.http.request(**asked({**plain, "members": dict(plain["members"])}, ()))
    assert bought.status_code == 200, bought.text

    ask = asked({**plain, "members": dict(plain["members"])}, oddities)
    by_lane, by_framework, answered = await both_ways(gateway, ask)

    if without_key(ask) and {by_lane[0], by_framework[0]} <= {200, 503}:
        # Each is a purchase of its own, and may find that the one before it has not ended.
        if by_lane[0] == by_framework[0] == 200:
            assert orjson.loads(by_lane[2]).keys() == orjson.loads(by_framework[2]).keys()
    else:
        assert by_lane == by_framework, (ask, by_lane, by_framework)
    if not oddities:
        assert answered


def without_key(ask: Ask) -> bool:
    return [value for name, value in ask["headers"] if name == "idempotency-key"] not in (
        ["create-"], ["create-named"],
    )  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(oddities=st.lists(st.sampled_from(ANYWHERE), max_size=2), by_id=st.booleans())
async def test_what_is_read_is_answered_alike_both_ways(
    gateway: Gateway, tenant: Tenant, oddities: list[Oddity], by_id: bool
):
    number = await tenant.bought()
    plain: Ask = {"method": "GET", "url": LISTING, "headers": common(tenant)}
    if by_id:
        plain["url"] = f"/v1/numbers/{number['id']}"
    else:
        plain["query"] = f"user_id={USER}&organization_id={ORGANIZATION}"

    by_lane, by_framework, answered = await both_ways(gateway, asked(plain, oddities))

    assert by_lane == by_framework
    if not oddities:
        assert answered
        assert by_lane[0] == 200


async def test_anothers_number_and_one_that_is_not_there_are_answered_alike(gateway: Gateway, tenant: Tenant):
    number, stranger = await tenant.bought(), await gateway.tenant(scopes=["numbers:read"])
    missing = "0190f3a2-7c1e-7d44-9b0a-3f6c2d8e1a55"

    told = []
    for name in (number["id"], missing):
        ask = {"method": "GET", "url": f"/v1/numbers/{name}", "headers": common(stranger)}
        by_lane, by_framework, answered = await both_ways(gateway, asked(ask, ()))
        assert answered
        assert by_lane == by_framework
        told.append(by_lane)

    assert told[0] == told[1]
    assert told[0][0] == 404


async def test_the_lane_is_measured_under_the_path_of_its_endpoint(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    for method, url, path in (
        ("GET", f"/v1/numbers/{number['id']}", "/v1/numbers/{number_id}"),
        ("GET", f"{LISTING}?user_id={USER}&organization_id={ORGANIZATION}", LISTING),
    ):
        before = measured(method, path)
        await gateway.http.request(method, url, headers=common(tenant))
        assert measured(method, path) == before + 1


def measured(method: str, path: str) -> float:
    found = REGISTRY.get_sample_value(
        "numbergate_http_request_seconds_count", {"method": method, "route": path, "status": "200"}
    )
    return found or 0.0
