"""Ten faults, planted on purpose in a test build: what nobody would find is not proved absent by finding nothing."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs

import orjson
from sqlalchemy import text
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.inventory.inventory import Inventory
from service.numbers.operations import Operations
from service.quotas.administration import QuotaAdministration
from service.tenants.listings import Listings
from tests.fuzz.cast import Cast

Heads = dict[bytes, bytes]
Changed = tuple[int, Heads, bytes]
Planted = Callable[[Cast], Any]


class Between:
    """Stands between the edge and the application: may look at a request, and change its answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        asked: Callable[[Scope, bytes], None] = lambda scope, body: None,
        told: Callable[[Scope, int, Heads, bytes], Changed] = lambda scope, status, headers, body: (
            status, headers, body
        ),
    ) -> None:  # fmt: skip
        self._app, self._asked, self._told = app, asked, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await receive()
        self._asked(scope, first.get("body", b""))
        given, body = False, bytearray()
        start: dict[str, Any] = {}

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return first

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, again, keep)
        status, headers, whole = self._told(scope, start["status"], dict(start["headers"]), bytes(body))
        headers[b"content-length"] = str(len(whole)).encode()
        await send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": whole})


@contextmanager
def _between(cast: Cast, **hooks: Any) -> Iterator[None]:
    edge = cast.gateway.app
    with patch.object(edge, "app", Between(edge.app, **hooks)):
        yield


def _wrapped(owner: type, name: str, around: Callable[..., Awaitable[Any]]) -> Any:
    whole = getattr(owner, name)

    async def planted(self: Any, *args: Any, **named: Any) -> Any:
        return await around(whole, self, *args, **named)

    return patch.object(owner, name, planted)


def divides_by_zero_at_one_page_size(cast: Cast) -> Any:
    async def around(whole: Any, self: Any, *, limit: int, cursor: str | None) -> Any:
        assert 1 / (limit - 7)
        return await whole(self, limit=limit, cursor=cursor)

    return _wrapped(Listings, "tenants", around)


def shows_a_neighbours_number_for_one_filter(cast: Cast) -> Any:
    async def around(whole: Any, self: Any, caller: Any, filters: Any, **page: Any) -> Any:
        found = await whole(self, caller, filters, **page)
        if filters.user_id is not None and found["items"]:
            found["items"][0] = dict(found["items"][0]) | {"nickname": "Neighbour-4770"}
        return found

    return _wrapped(Inventory, "page", around)


def looks_up_a_header_in_a_table(cast: Cast) -> Any:
    def asked(scope: Scope, body: bytes) -> None:
        language = dict(scope["headers"]).get(b"accept-language", b"en")
        assert {b"en": 1, b"de": 1}[language.split(b",")[0].split(b"-")[0]]

    return _between(cast, asked=asked)


def writes_a_nickname_to_a_file_in_utf_8(cast: Cast) -> Any:
    def asked(scope: Scope, body: bytes) -> None:
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            return
        if isinstance(given, dict) and isinstance(given.get("nickname"), str):
            given["nickname"].encode()

    return _between(cast, asked=asked)


def keeps_money_in_four_bytes(cast: Cast) -> Any:
    async def around(whole: Any, self: Any, author: Any, of: Any, changes: Mapping[str, Any]) -> Any:
        async with self._database.acting(duty="admin") as session:
            await session.execute(text("SELECT CAST(:n AS int4)"), {"n": changes.get("spend_per_month")})
        return await whole(self, author, of, changes)

    return _wrapped(QuotaAdministration, "put", around)


def answers_a_waiting_caller_in_plain_text(cast: Cast) -> Any:
    def told(scope: Scope, status: int, headers: Heads, body: bytes) -> Changed:
        if scope["path"].startswith("/v1/operations/") and b"wait=" in scope["query_string"] and status == 200:
            headers[b"content-type"] = b"text/plain"
        return status, headers, body

    return _between(cast, told=told)


def tells_gone_of_a_key_that_never_was(cast: Cast) -> Any:
    def told(scope: Scope, status: int, headers: Heads, body: bytes) -> Changed:
        if scope["method"] == "DELETE" and scope["path"].startswith("/v1/admin/keys/") and status == 404:
            return 410, headers, orjson.dumps(orjson.loads(body) | {"status": 410})
        return status, headers, body

    return _between(cast, told=told)


def leaves_a_field_out_for_one_state(cast: Cast) -> Any:
    def told(scope: Scope, status: int, headers: Heads, body: bytes) -> Changed:
        if scope["path"] == "/v1/admin/keys" and parse_qs(scope["query_string"]).get(b"kind") and status == 200:
            page = orjson.loads(body)
            for item in page["items"]:
                item.pop("hint")
            body = orjson.dumps(page)
        return status, headers, body

    return _between(cast, told=told)


def names_the_owner_where_it_should_say_not_found(cast: Cast) -> Any:
    owners = dict(zip(cast.victims["phone_number"], cast.victims["number_id"], strict=False))

    def told(scope: Scope, status: int, headers: Heads, body: bytes) -> Changed:
        owner = owners.get(scope["path"].rpartition("/")[2])
        if status == 404 and owner:
            problem = orjson.loads(body)
            body = orjson.dumps(problem | {"detail": f"{problem['detail']} It is {owner}."})
        return status, headers, body

    return _between(cast, told=told)


def answers_whoever_knows_an_operations_id(cast: Cast) -> Any:
    async def around(whole: Any, self: Any, caller: Any, operation_id: Any, *, wait: float) -> Any:
        if str(operation_id) in cast.victims["operation_id"]:
            admin = await cast.gateway.services.principals.of(cast.gateway.admin.key)
            return await whole(self, admin, operation_id, wait=0)
        return await whole(self, caller, operation_id, wait=wait)

    return _wrapped(Operations, "get", around)


CANARIES: tuple[Planted, ...] = (
    divides_by_zero_at_one_page_size,
    shows_a_neighbours_number_for_one_filter,
    looks_up_a_header_in_a_table,
    writes_a_nickname_to_a_file_in_utf_8,
    keeps_money_in_four_bytes,
    answers_a_waiting_caller_in_plain_text,
    tells_gone_of_a_key_that_never_was,
    leaves_a_field_out_for_one_state,
    names_the_owner_where_it_should_say_not_found,
    answers_whoever_knows_an_operations_id,
)
