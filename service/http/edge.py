"""The outermost layer, in plain ASGI: request id, limits, security headers, one log line and one measurement each.

uvicorn takes bodies and headers of any size and waits for a body for ever, so the limits are ours.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.db import CALLER
from service.http.accept import JSON, accept_of, preferred
from service.http.context import header, request_id_of
from service.http.express import Express
from service.http.limits import with_limits
from service.http.problems import (
    BodyTooLarge,
    HeadersTooLarge,
    InternalError,
    NotAcceptable,
    RequestTimeout,
    problem_response,
)
from service.kit.errors import Fault, InvalidRequest, ServiceError
from service.kit.spans import exemplar
from service.observability.metrics import REQUEST_SECONDS, REQUESTS_IN_FLIGHT

# On every answer that does not say otherwise itself, as pages for people do: they need styles and scripts, of ours.
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
# Bytes a second, on the whole, of what is handed on as it comes.
SLOWEST = 64 << 10
access = structlog.get_logger("access")


class CallerLeft(Exception):
    """The connection ended before the request did: there is nobody to answer, and nothing may be done by halves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one request: bytes of body; of path, query and headers, and of the query alone; how many parameters and
    headers; and the seconds that body and head may take.
    """

    body: int = 1 << 20
    head: int = 32_768
    query: int = 16_384
    parameters: int = 100
    headers: int = 100
    body_within: float = 15.0
    head_within: float = 15.0


STANDARD = Limits()


class Edge:
    """Wraps the application; what it raises and nobody foresaw is logged and told as a 500 here.

    `streams`: the media types beside JSON that a path answers in, which may have parameters, as `/v1/{name}`.
    `uploads`: the bytes that a path takes, where these are more than of others. `passed_on`: so too of what is POSTed
    to it, and handed on as it comes: it is for the path to read it, once it knows who asks. `express`: answers what it
    can before the application is asked.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits = STANDARD,
        streams: Mapping[str, Sequence[str]] = MappingProxyType({}),
        uploads: Mapping[str, int] = MappingProxyType({}),
        passed_on: Mapping[str, int] = MappingProxyType({}),
        express: Express | None = None,
    ) -> None:
        self.app = app
        self.express = express
        self.limits = limits
        self._streams = {path: kinds for path, kinds in streams.items() if "{" not in path}
        self._streams_below = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), kinds) for path, kinds in streams.items() if "{" in path
        ]
        self._uploads = {path: replace(limits, body=most) for path, most in uploads.items()}
        self._passed_on = {path: replace(limits, body=most) for path, most in passed_on.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        streamed = self._streamed(scope["path"])
        structlog.contextvars.clear_contextvars()
        before = CALLER.set(None)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *with_limits(scope, message["headers"]),
                    (b"x-request-id", request_id.encode()),
                    *([(b"vary", b"Accept")] if streamed else []),
                    *(pair for pair in SECURITY_HEADERS if pair[0] not in present),
                    *([STRICT_TRANSPORT] if _came_by_https(scope) else []),
                ]
            await send(message)

        REQUESTS_IN_FLIGHT.inc()
        try:
            if scope["method"] == "POST" and (limits := self._passed_on.get(scope["path"])) is not None:
                await self.app(scope, _bounded(scope, receive, limits, streamed), answer)
            else:
                limits = self._uploads.get(scope["path"], self.limits)
                body = await _read(scope, receive, limits, streamed)
                if self.express is None or not await self.express(scope, body, receive, answer):
                    await self.app(scope, _replay(body, receive), answer)
        except CallerLeft:
            status = 499  # As nginx logs it; nobody gets it.
        except ServiceError as error:
            await problem_response(error, request_id)(scope, receive, answer)
        except Exception as error:  # The application's handler has answered where it could; this is the rest.
            structlog.get_logger().error("escaped error", exc_info=error)
            if not status:
                await problem_response(InternalError(), request_id)(scope, receive, answer)
        finally:
            CALLER.reset(before)
            REQUESTS_IN_FLIGHT.dec()
            took = time.perf_counter() - began
            route = scope.get("route")
            path = getattr(route, "path", "unmatched")
            measured = REQUEST_SECONDS.labels(scope["method"] if route else "other", path, str(status))
            measured.observe(took, exemplar())
            access.info("request", method=scope["method"], route=path, status=status, seconds=round(took, 6))

    def _streamed(self, path: str) -> Sequence[str]:
        """The media types beside JSON that it answers in."""
        if (kinds := self._streams.get(path)) is not None:
            return kinds
        return next((kinds for form, kinds in self._streams_below if form.fullmatch(path)), ())


async def _read(scope: Scope, receive: Receive, limits: Limits, streamed: Sequence[str]) -> bytes:
    """The whole body, within the limits.

    Raises: InvalidRequest, HeadersTooLarge, NotAcceptable, BodyTooLarge, RequestTimeout; CallerLeft.
    """
    too_large = _checked(scope, limits, streamed)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_within):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise CallerLeft
                body += message.get("body", b"")
                if len(body) > limits.body:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise RequestTimeout(
            f"The body did not arrive within {limits.body_within:g} seconds.", headers={"Connection": "close"}
        ) from None


def _bounded(scope: Scope, receive: Receive, limits: Limits, streamed: Sequence[str]) -> Receive:
    """The body as it comes, within the limits; each piece of it within the time that another body has as a whole, and
    all of it no slower than SLOWEST.

    Raises: as `_read`, at once or as it is read.
    """
    too_large = _checked(scope, limits, streamed)
    began, size, ended = time.monotonic(), 0, False

    async def next_piece() -> Message:
        nonlocal size, ended
        if ended:
            return await receive()
        left = began + limits.body_within + size / SLOWEST - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(limits.body_within, left))):
                message = await receive()
        except TimeoutError:
            raise RequestTimeout("The body comes too slowly.", headers={"Connection": "close"}) from None
        if message["type"] == "http.disconnect":
            raise CallerLeft
        size += len(message.get("body", b""))
        if size > limits.body:
            raise too_large
        ended = not message.get("more_body", False)
        return message

    return next_piece


def _checked(scope: Scope, limits: Limits, streamed: Sequence[str]) -> BodyTooLarge:
    """What is raised for a body that is too large.

    Raises: InvalidRequest, HeadersTooLarge, NotAcceptable; BodyTooLarge for one that says so itself.
    """
    _check_head(scope, limits)
    _check_accept(scope, streamed)
    # Closing the connection spares us reading what we will not use.
    too_large = BodyTooLarge(f"The body is larger than {limits.body} bytes.", headers={"Connection": "close"})
    announced = header(scope, b"content-length") or "0"
    if announced.isdigit() and int(announced[:20]) > limits.body:
        raise too_large
    return too_large


def _check_head(scope: Scope, limits: Limits) -> None:
    query, headers = scope["query_string"], scope["headers"]
    head = len(scope.get("raw_path") or b"") + len(query) + sum(len(name) + len(value) for name, value in headers)
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (hosts == 0 and scope["http_version"] == "1.1"):
        # RFC 9112, 3.2: a proxy before us may have read the other one of two.
        raise InvalidRequest(Fault("Host", "must be there once, and once only"))
    if head > limits.head:
        raise HeadersTooLarge(f"Path, query and headers are larger than {limits.head} bytes.")
    if len(query) > limits.query:
        raise HeadersTooLarge(f"The query is longer than {limits.query} bytes.")
    if query.count(b"&") >= limits.parameters:
        raise HeadersTooLarge(f"The query has more than {limits.parameters} parameters.")
    if len(headers) > limits.headers:
        raise HeadersTooLarge(f"There are more than {limits.headers} headers.")


def _came_by_https(scope: Scope) -> bool:
    """To us, or to the proxy before us. Anybody may claim it: a browser heeds the header over https alone, and an
    answer is for its caller alone, for none is stored.
    """
    return scope.get("scheme") == "https" or header(scope, b"x-forwarded-proto") == "https"


def _check_accept(scope: Scope, streamed: Sequence[str]) -> None:
    if preferred(accept_of(scope), (JSON, *streamed)) is None:
        named = [kind.partition(";")[0] for kind in (JSON, *streamed)]
        raise NotAcceptable(f"This answers {', '.join(named)}; accept {'that' if not streamed else 'one of them'}.")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the application the body that was read, then what the server says next (a disconnect)."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
