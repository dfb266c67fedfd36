"""The API as whoever looks at a page may use it, asked in this process."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import quote, urlencode

import orjson
from fastapi import Request
from starlette.types import Message

from service.http.context import request_id_of
from service.kit.errors import ServiceError
from service.tenants.name_endpoints import LONGEST, MOST

Query = Mapping[str, Any]
NOTHING: Query = MappingProxyType({})
AT_ONCE = 4
# Of the browser's request: who it is, and where from.
PASSED_ON = (b"host", b"cookie", b"x-forwarded-for", b"x-forwarded-proto", b"forwarded")


class Refused(Exception):
    """The API answered with a problem. `problem`: its body, by RFC 9457."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}")
        self.status, self.problem = status, problem

    @classmethod
    def by(cls, error: ServiceError) -> Self:
        """What was raised before the API had made an answer of it."""
        return cls(error.status, {"code": error.code, "title": error.title, "detail": error.detail})


class Api:
    """Of what a page asks at once, so many are under way at a time: each has a connection to Postgres meanwhile, and a
    few who look at pages are not to take all that there are.

    `asked`: the paths that were asked for, as a page tells them who would rather call the API itself."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.asked: list[str] = []

    async def get(self, path: str, query: Query = NOTHING) -> dict[str, Any]:
        """The body of the answer. Parameters that are None or empty are left out, lists are joined by commas.

        Raises: Refused for any answer that is no 2xx.
        """
        given = _said(query)
        self.asked.append(f"{quote(path)}?{given}" if given else quote(path))
        _, body = await self._ask(path, given)
        found: dict[str, Any] = orjson.loads(body)
        return found

    async def tagged(self, path: str) -> tuple[dict[str, Any], str]:
        """As `get`, and the ETag of the answer, which a change of it sends as `If-Match`."""
        self.asked.append(quote(path))
        headers, body = await self._ask(path, "")
        return orjson.loads(body), headers[b"etag"].decode()

    async def find(self, path: str, query: Query = NOTHING) -> dict[str, Any] | None:
        """As `get`, and None for what the caller may not see or is not there.

        Raises: Refused for anything else.
        """
        try:
            return await self.get(path, query)
        except Refused as refused:
            if refused.status in (403, 404):
                return None
            raise

    async def names(self, ids: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """What the ids are called, of those that have a name; `ids` by the parameters of `GET /v1/names`."""
        parts = zip_longest(*(in_parts(some) for some in ids.values()), fillvalue=())
        calls = (self._ask("/v1/names", _said(dict(zip(ids, part, strict=True)))) for part in parts)
        found: dict[str, str] = {}
        for _, body in await asyncio.gather(*calls):
            for names in orjson.loads(body).values():
                found |= names
        return found

    async def rows(self, path: str, query: Query = NOTHING) -> list[dict[str, Any]]:
        """The lines of an export, which is to be a short one. Raises: Refused."""
        _, body = await self._ask(path, _said(query), accept="application/x-ndjson")
        return [orjson.loads(line) for line in body.splitlines()]

    async def preview(self, path: str, body: Mapping[str, Any], *, token: str) -> dict[str, Any]:
        """What a POST would come to that writes nothing, as a `dry_run`; `token`: as `GET /v1/me` tells it.

        Raises: Refused for any answer that is no 2xx.
        """
        _, answer = await self._ask(path, "", body=orjson.dumps(body), token=token)
        found: dict[str, Any] = orjson.loads(answer)
        return found

    async def _ask(
        self, path: str, query: str, *, accept: str = "application/json", body: bytes = b"", token: str = ""
    ) -> tuple[dict[bytes, bytes], bytes]:
        """Headers and body of the answer. Raises: Refused for any that is no 2xx."""
        inner = inner_scope(self._request, path, query, accept=accept)
        if body:
            inner["method"] = "POST"
            inner["headers"] += [(b"content-type", b"application/json"), (b"x-csrf-token", token.encode())]
        status, headers, read, parts = 0, {}, False, []

        async def receive() -> Message:
            nonlocal read
            if read:
                await asyncio.Event().wait()  # Whoever asks stays.
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], dict(message["headers"])
            else:
                parts.append(message.get("body", b""))

        async with self._turns:
            try:
                await self._request.app(inner, receive, send)
            except ServiceError as error:
                raise Refused.by(error) from None
        answer = b"".join(parts)
        if status >= 300:
            raise Refused(status, orjson.loads(answer))
        return headers, answer


def in_parts(ids: Iterable[str]) -> list[list[str]]:
    """As few as one call each takes."""
    parts: list[list[str]] = []
    left = 0
    for one in ids:
        left -= len(one) + 1
        if not parts or left < 0 or len(parts[-1]) == MOST:
            parts.append([])
            left = LONGEST - len(one)
        parts[-1].append(one)
    return parts


def inner_scope(request: Request, path: str, query: str, *, accept: str) -> dict[str, Any]:
    """Of a GET by whoever sent the request."""
    scope = request.scope
    return {
        "type": "http", "asgi": scope["asgi"], "http_version": "1.1", "method": "GET", "scheme": scope["scheme"],
        "path": path, "raw_path": quote(path).encode(), "query_string": query.encode(), "root_path": "",
        "headers": [
            *((name, value) for name, value in scope["headers"] if name in PASSED_ON),
            (b"accept", accept.encode()),
        ],
        "client": scope["client"], "server": scope["server"],
        "state": {"request_id": request_id_of(scope)},
    }  # fmt: skip


def _said(query: Query) -> str:
    return urlencode([(name, _text(value)) for name, value in query.items() if value not in (None, "", (), [])])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
