"""What the client asks for is what the OpenAPI document describes, in both clients."""

import inspect
import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import AsyncClient, Client, errors
from service.client.requests import Filters, NumberChange, OrderWish
from service.client.sync_groups import Generated
from service.http.examples import EXAMPLES, NUMBER_ID, OPERATION_ID, USER
from service.inventory.schemas import tags_of
from tests.client import generated, grouped
from tests.client.asked import told_by

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)
FILTERS: dict[str, Any] = {
    "organization_id": "o", "tenant_id": "t", "user_id": "u", "holder_user_id": "h", "state": ["active", "missing"],
    "phone_number": "+13135550142", "area_code": ["415", "628"], "nickname": "n", "tag": ["a,b", "c"], "agent_id": "a",
    "cost_center": "c", "created_after": MOMENT, "created_before": MOMENT, "idle_days": 3, "q": "abc",
    "sort": "acquired_at", "filter": NUMBER_ID,
}  # fmt: skip
CHANGES: dict[str, Any] = {
    "nickname": None, "tags": ("a",), "cost_center": "c", "holder_user_id": "h", "inbound_agent_id": "i",
    "outbound_agent_id": "o",
}  # fmt: skip
WISH: dict[str, Any] = {
    "quantity": 2, "user_id": USER, "user_ids": [USER], "items": [{"user_id": USER}], "tenant_id": "t",
    "organization_id": "o", "area_codes": ["313"], "fallback": ["overlays"], "nickname": "n", "unique_nicknames": True,
    "tags": ["a"], "cost_center": "c", "inbound_agent_id": "i", "outbound_agent_id": "o", "fulfilment": "all",
    "deadline": MOMENT,
}  # fmt: skip
# By method: how it is called with all there is to say, and the operation that it is.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "buy": (
        ("313", USER),
        {
            "organization_id": "o", "nickname": "n", "cost_center": "c", "tags": ["a"], "inbound_agent_id": "i",
            "outbound_agent_id": "o",
        },
        "create_number",
    ),
    "operation": ((OPERATION_ID,), {"hold": 5}, "get_operation"),
    "resume": ((OPERATION_ID,), {}, "get_operation"),
    "numbers": ((), FILTERS, "list_inventory"),
    "numbers_page": ((), {**FILTERS, "limit": 5, "cursor": "c"}, "list_inventory"),
    "number": (("+13135550142",), {}, "get_number"),
    "history": ((NUMBER_ID,), {}, "list_history"),
    "change": ((NUMBER_ID,), {**CHANGES, "if_match": '"1-2"'}, "patch_number"),
    "release": ((NUMBER_ID,), {"reason": "r", "force": True}, "release_with_grace"),
    "restore": ((NUMBER_ID,), {"reason": "r"}, "restore_number"),
    "release_now": (("+13135550142",), {"id": NUMBER_ID, "force": True}, "release_number"),
    "quote": ((), WISH, "order_numbers"),
    "order": ((), WISH, "order_numbers"),
    "orders": ((), {"state": "running"}, "list_orders"),
    "get_order": ((OPERATION_ID,), {}, "get_order"),
    "order_items": ((OPERATION_ID,), {"outcome": "done"}, "list_order_items"),
    "finish_order": ((OPERATION_ID,), {}, "get_order"),
    "cancel_order": ((OPERATION_ID,), {}, "cancel_order"),
    "preview": (({"ids": [NUMBER_ID]}, {"release": {}}), {}, "bulk_numbers"),
    "apply": (("token",), {}, "bulk_numbers"),
    "quotas": ((), {}, "get_own_quotas"),
    "counted": (("numbers_held",), {}, "list_counted_rows"),
    "statement": (("2026-10",), {"group_by": "cost_center", "organization_id": "o"}, "get_statement"),
    "me": ((), {}, "me"),
    "event_pages": ((), {"cursor": "c", "types": ["number.*"], "limit": 5}, "list_events"),
    "webhooks": ((), {}, "list_webhooks"),
    "create_webhook": (("https://h",), {"types": ["number.*"], "description": "d"}, "create_webhook"),
    "change_webhook": (
        (NUMBER_ID,), {"url": "https://h", "types": ["x"], "description": "d", "state": "active"}, "patch_webhook",
    ),
    "rotate_webhook": ((NUMBER_ID,), {"overlap_seconds": 0}, "rotate_webhook"),
    "delete_webhook": ((NUMBER_ID,), {}, "delete_webhook"),
    "deliveries": ((NUMBER_ID,), {"state": "waiting"}, "list_deliveries"),
    "request": (("get", "/v1/me"), {}, "me"),
    "items": (("/v1/orders",), {"state": "running"}, "list_orders"),
}  # fmt: skip
# Asked for with other bodies, or in test_files.py.
ELSEWHERE = {"close", "export_numbers", "numbers_frame", "export_statement"}
EMPTY_PAGE: dict[str, Any] = {"items": [], "next_cursor": None, "total": {"value": 0, "exact": True}}


@pytest.fixture(scope="module")
def operations() -> dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """By operationId: method, path, what is described of it, and the schemas."""
    document = generated.document()
    return {
        one["operationId"]: (method.upper(), path, one, document["components"]["schemas"])
        for path, item in document["paths"].items()
        for method, one in item.items()
    }


def test_no_method_is_left_out_of_these():
    public = {name for name, one in vars(Client).items() if callable(one) and not name.startswith("_")}
    assert public == CALLS.keys() | ELSEWHERE


def test_every_operation_has_a_method_or_a_reason_why_not():
    document = generated.document()
    by_hand = {operation for _, _, operation in CALLS.values()} | {"export_statement"}
    assert by_hand == grouped.BY_HAND, "what has a method in service/client/aio.py"

    of_itself = {one.id for one in grouped.made(document)}
    ids = [one.id for one in grouped.operations(document)]
    assert sorted(ids) == sorted(by_hand | of_itself | grouped.LEFT_OUT.keys())
    names = [name for group in (Client, Generated) for name in vars(group) if not name.startswith("__")]
    assert len(names) == len(set(names)), "a method that is made hides none that is written, nor the other way round"


def test_the_arguments_of_these_are_all_there_are():
    assert FILTERS.keys() == Filters.__annotations__.keys()
    assert CHANGES.keys() == NumberChange.__annotations__.keys()
    assert WISH.keys() == OrderWish.__annotations__.keys()


def test_both_clients_have_the_same_methods_with_the_same_arguments():
    for name in (*CALLS, *ELSEWHERE):
        one, other = (inspect.signature(getattr(kind, name)).parameters for kind in (Client, AsyncClient))
        assert one == other, name


@pytest.mark.parametrize("name", CALLS)
async def test_each_call_is_an_operation_with_its_parameters_and_its_body(operations: Any, kind: str, name: str):
    arguments, named, operation = CALLS[name]
    method, path, described, schemas = operations[operation]
    example = answer_of(described)
    asked_for: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked_for.append(request)
        return example

    await told_by(answer, kind)(name, *arguments, **named)

    request = asked_for[0]
    assert request.method == method
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.raw_path.decode().partition("?")[0])
    known = {(one["in"], one["name"].lower()) for one in described.get("parameters", ())}
    assert {("query", one) for one in request.url.params} <= known
    own = {one for one in request.headers if one in ("idempotency-key", "prefer", "if-match")}
    assert {("header", one) for one in own} <= known
    assert ("idempotency-key" in own) == (("header", "idempotency-key") in known), "a key where it is known"
    if request.content:
        schema = schemas[described["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
        assert members_of(request) <= schema["properties"].keys()
        assert set(schema.get("required", ())) <= members_of(request)


MADE = {one.id: one for one in grouped.made(generated.document())}


@pytest.mark.parametrize("operation", MADE)
async def test_each_method_that_is_made_sends_what_is_described_and_reads_what_is_answered(operation: str, kind: str):
    one, seen = MADE[operation], []
    described = one.told
    arguments = [f"a/{name}" for name, _ in one.parts]
    named = {name: "1" for name, _, _ in one.query if name not in ("limit", "cursor")}
    body = json.loads(json.dumps(EXAMPLES[one.body])) if one.body else {}
    content = {"content": b"a,b"} if one.files else {}
    only_a_file = one.answer is None and "204" not in one.answers

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=b"file") if only_a_file else answer_of(described)

    async def call(name: str, /, *more: Any, **also: Any) -> Any:
        group = {"AsyncAdmin": "admin.", "AsyncBilling": "billing."}.get(one.group, "")
        return await told_by(answer, kind)(group + name, *arguments, *more, **also)

    if only_a_file:
        with tempfile.TemporaryDirectory() as folder:
            await call(f"save_{operation.removeprefix('get_')}", f"{folder}/file")
            assert Path(folder, "file").read_bytes() == b"file"
    else:
        told = await call(one.name, **named, **body, **content)
        assert told is None or one.answer, "read by its model"
    request = seen[0]
    assert request.method == one.method
    path = re.sub(r"\{(\w+)\}", r"a%2F\1", one.path)
    assert request.url.raw_path.decode().partition("?")[0] == path
    assert named.items() <= dict(request.url.params).items()
    assert request.url.params.keys() - named.keys() <= {name for name, _, _ in one.query} & {"limit"}
    if one.body:
        assert json.loads(request.content) == body
    if one.files:
        assert (request.content, request.headers["Content-Type"]) == (b"a,b", one.files[0])
    assert ("Idempotency-Key" in request.headers) == one.takes("idempotency-key")


def members_of(request: httpx.Request) -> set[str]:
    return set(json.loads(request.content))


def answer_of(described: dict[str, Any]) -> httpx.Response:
    """The documented answer of success, by its example; of a listing the last page, so that it ends."""
    status = min(one for one in described["responses"] if one.startswith("2"))
    content = described["responses"][status].get("content", {}).get("application/json")
    if content is None:
        return httpx.Response(int(status))
    # `apply` and `order` are answered by what stands at 202, which has the members of a preview beside it.
    if described["operationId"] in ("bulk_numbers", "order_numbers"):
        merged = EXAMPLES["OrderOut"] | EXAMPLES["PreviewOut"] | EXAMPLES["QuoteOut"]
        return httpx.Response(202, json=merged)
    schema = content["schema"]["$ref"].rpartition("/")[2]
    # Of events it is the empty page that ends.
    last = EMPTY_PAGE if schema == "EventPage" else {"next_cursor": None} if schema.endswith("Page") else {}
    return httpx.Response(int(status), json=EXAMPLES[schema] | last)


async def test_a_comma_within_a_tag_is_told_from_one_between_tags(kind: str):
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.params["tag"])
        return httpx.Response(200, json=EMPTY_PAGE)

    await told_by(answer, kind)("numbers", tag=["a,b", "c\\d"])

    assert [tags_of(one) for one in seen] == [["a,b", "c\\d"]]


async def test_a_time_without_a_zone_is_refused_before_anything_is_sent(kind: str):
    with pytest.raises(ValueError, match="no time zone"):
        await told_by(lambda request: httpx.Response(500), kind)("numbers", created_after=datetime(2026, 1, 31))  # noqa: DTZ001


async def test_a_path_cannot_be_led_elsewhere_by_what_is_put_into_it(kind: str):
    seen: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(404, json={"code": "not_found", "detail": "none"})

    with pytest.raises(errors.NotFound):
        await told_by(answer, kind)("number", "../admin/keys?x=1#")

    assert seen == [b"/v1/numbers/..%2Fadmin%2Fkeys%3Fx%3D1%23"]


async def test_an_answer_that_is_no_gateways_is_told_so(kind: str):
    with pytest.raises(errors.UnexpectedAnswer, match="is base_url that of a gateway"):
        await told_by(lambda request: httpx.Response(200, html="<h1>It works</h1>"), kind)("me")
