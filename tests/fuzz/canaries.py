"""Ten faults, planted on purpose in a test build: what nobody would find is not proved absent by finding nothing.

Each is a slip that a reviewer might overlook, in code as somebody might write it. It notes its name when it does harm,
and nothing else tells that it is there: the oracle has to see it by what it asks of every answer.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.audit.log import AuditLog
from service.db import CALLER
from service.kit.errors import NotFound
from service.numbers.editing import Editing
from service.numbers.operations import Operations
from service.quotas.administration import QuotaAdministration
from service.tenants.listings import Listings
from tests.fuzz.cast import Cast

LONGEST_NICKNAME = 100
Heads = dict[bytes, bytes]
Changed = tuple[int, Heads, bytes]
Note = Callable[[], None]
Planted = Callable[[Cast, Note], Any]


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


@contextmanager
def _noted(note: Note, *of: type[Exception]) -> Iterator[None]:
    try:
        yield
    except of:
        note()
        raise


def divides_by_zero_at_one_page_size(cast: Cast, note: Note) -> Any:
    async def around(whole: Any, self: Any, *, limit: int, **page: Any) -> Any:
        with _noted(note, ZeroDivisionError):
            assert 1 / (limit - 7)
        return await whole(self, limit=limit, **page)

    return _wrapped(Listings, "tenants", around)


def has_no_room_for_the_longest_nickname(cast: Cast, note: Note) -> Any:
    async def around(whole: Any, self: Any, caller: Any, which: Any, change: Any, **named: Any) -> Any:
        room = bytearray(LONGEST_NICKNAME - 1)
        with _noted(note, IndexError):
            for place, _ in enumerate(change.nickname or ""):
                room[place] = 1
        return await whole(self, caller, which, change, **named)

    return _wrapped(Editing, "edit", around)


def looks_up_an_operation_without_its_tenant(cast: Cast, note: Note) -> Any:
    async def around(whole: Any, self: Any, caller: Any, operation_id: Any, *, wait: float, again: Any) -> Any:
        try:
            return await whole(self, caller, operation_id, wait=wait, again=again)
        except NotFound:
            another = await cast.gateway.services.principals.of(cast.neighbour.key)
            # Row-level security would stop it, but that it is told of another caller.
            before = CALLER.set(None)
            try:
                found = await whole(self, another, operation_id, wait=0, again=again)
            finally:
                CALLER.reset(before)
            note()
            return found

    return _wrapped(Operations, "get", around)


def answers_a_waiting_caller_in_plain_text(cast: Cast, note: Note) -> Any:
    def told(scope: Scope, status: int, headers: Heads, body: bytes) -> Changed:
        if scope["path"].startswith("/v1/operations/") and status == 200 and "wait" in _query(scope):
            note()
            headers[b"content-type"] = b"text/plain"
        return status, headers, body

    return _between(cast, told=told)


def writes_a_cost_center_into_a_header(cast: Cast, note: Note) -> Any:
    def told(scope: Scope, status: int, headers: Heads, body: bytes) -> Changed:
        if scope["method"] == "PATCH" and status == 200:
            with _noted(note, UnicodeEncodeError):
                headers[b"x-cost-center"] = (orjson.loads(body)["cost_center"] or "").encode("latin-1")
        return status, headers, body

    return _between(cast, told=told)


def joins_a_list_that_may_hold_a_null(cast: Cast, note: Note) -> Any:
    def asked(scope: Scope, body: bytes) -> None:
        if scope["method"] != "POST" or not scope["path"].endswith("/keys"):
            return
        try:
            scopes = orjson.loads(body)["scopes"]
        except (ValueError, LookupError, TypeError):
            return
        if isinstance(scopes, list):
            with _noted(note, TypeError):
                ", ".join(scopes)

    return _between(cast, asked=asked)


def looks_a_day_further_than_there_are_days(cast: Cast, note: Note) -> Any:
    async def around(whole: Any, self: Any, filters: Any, **page: Any) -> Any:
        with _noted(note, OverflowError):
            assert filters.before is None or filters.before + timedelta(days=1)
        return await whole(self, filters, **page)

    return _wrapped(AuditLog, "page", around)


def keeps_money_in_four_bytes(cast: Cast, note: Note) -> Any:
    async def around(whole: Any, self: Any, author: Any, of: Any, changes: dict[str, Any]) -> Any:
        with _noted(note, DBAPIError):
            async with self._database.acting(duty="admin") as session:
                await session.execute(text("SELECT CAST(:n AS int4)"), {"n": changes.get("spend_per_month")})
        return await whole(self, author, of, changes)

    return _wrapped(QuotaAdministration, "put", around)


def takes_a_header_for_one_that_may_come_twice(cast: Cast, note: Note) -> Any:
    def asked(scope: Scope, body: bytes) -> None:
        languages = [value for name, value in scope["headers"] if name == b"accept-language"]
        with _noted(note, ValueError):
            [_] = languages or [b"en"]

    return _between(cast, asked=asked)


def leaves_a_field_out_for_one_filter(cast: Cast, note: Note) -> Any:
    def told(scope: Scope, status: int, headers: Heads, body: bytes) -> Changed:
        if scope["path"] == "/v1/admin/keys" and status == 200 and "kind" in _query(scope):
            page = orjson.loads(body)
            for item in page["items"]:
                note()
                item.pop("hint")
            body = orjson.dumps(page)
        return status, headers, body

    return _between(cast, told=told)


def _query(scope: Scope) -> QueryParams:
    return QueryParams(scope["query_string"])


CANARIES: tuple[Planted, ...] = (
    divides_by_zero_at_one_page_size,
    has_no_room_for_the_longest_nickname,
    looks_up_an_operation_without_its_tenant,
    answers_a_waiting_caller_in_plain_text,
    writes_a_cost_center_into_a_header,
    joins_a_list_that_may_hold_a_null,
    looks_a_day_further_than_there_are_days,
    keeps_money_in_four_bytes,
    takes_a_header_for_one_that_may_come_twice,
    leaves_a_field_out_for_one_filter,
)


@contextmanager
def planted(cast: Cast, did_harm: set[str]) -> Iterator[None]:
    """All of them at once. The names of those that do harm are added to `did_harm`."""
    with ExitStack() as stack:
        for plant in CANARIES:
            stack.enter_context(plant(cast, lambda name=plant.__name__: did_harm.add(name)))  # type: ignore[misc]
        yield
