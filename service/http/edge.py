"""The outermost layer, in plain ASGI: request id, limits, security headers, one log line and one measurement each.

uvicorn takes bodies and headers of any size and waits for a body for ever, so the limits are ours.
"""

import asyncio
import time
from contextlib import suppress

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.context import header, request_id_of
from service.http.problems import (
    BodyTooLarge,
    HeadersTooLarge,
    InternalError,
    NotAcceptable,
    RequestTimeout,
    UnsupportedMediaType,
    problem_response,
)
from service.kit.errors import ServiceError
from service.observability.metrics import REQUEST_SECONDS, REQUESTS_IN_FLIGHT

BODY_LIMIT = 1 << 20
HEADERS_LIMIT = 32_768
BODY_WITHIN = 15.0
WITH_BODY = ("POST", "PUT", "PATCH")
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
]
access = structlog.get_logger("access")


class Edge:
    """Wraps the application; what it raises and nobody foresaw is logged and told as a 500 here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *(pair for pair in SECURITY_HEADERS if pair[0] not in present),
                ]
            await send(message)

        REQUESTS_IN_FLIGHT.inc()
        try:
            body = await _read(scope, receive)
            await self.app(scope, _replay(body, receive), answer)
        except ServiceError as error:
            await problem_response(error, request_id)(scope, receive, answer)
        except Exception as error:  # The application's handler has answered where it could; this is the rest.
            structlog.get_logger().error("escaped error", exc_info=error)
            if not status:
                await problem_response(InternalError(), request_id)(scope, receive, answer)
        finally:
            REQUESTS_IN_FLIGHT.dec()
            took = time.perf_counter() - began
            route = scope.get("route")
            path = getattr(route, "path", "unmatched")
            REQUEST_SECONDS.labels(scope["method"] if route else "other", path, str(status)).observe(took)
            access.info("request", method=scope["method"], route=path, status=status, seconds=round(took, 6))


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The whole body, within the limits.

    Raises: HeadersTooLarge, BodyTooLarge, RequestTimeout, UnsupportedMediaType, NotAcceptable.
    """
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_LIMIT:
        raise HeadersTooLarge(f"The headers are larger than {HEADERS_LIMIT} bytes.")
    _check_accept(header(scope, b"accept"))
    announced = header(scope, b"content-length") or "0"
    # Closing the connection spares us reading what we will not use.
    too_large = BodyTooLarge(f"The body is larger than {BODY_LIMIT} bytes.", headers={"Connection": "close"})
    if announced.isdigit() and int(announced) > BODY_LIMIT:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > BODY_LIMIT:
                    raise too_large
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
    except TimeoutError:
        raise RequestTimeout(
            f"The body did not arrive within {BODY_WITHIN:.0f} seconds.", headers={"Connection": "close"}
        ) from None
    if body and scope["method"] in WITH_BODY:
        _check_content_type(header(scope, b"content-type"))
    return bytes(body)


def _check_content_type(content_type: str | None) -> None:
    media, _, parameters = (content_type or "").partition(";")
    media = media.strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise UnsupportedMediaType("Send the body as application/json.")
    with suppress(ValueError):
        charset = dict(part.strip().lower().split("=", 1) for part in parameters.split(";") if "=" in part)
        if charset.get("charset", "utf-8").strip('"') not in ("utf-8", "utf8", "us-ascii"):
            raise UnsupportedMediaType("Send the body as application/json in UTF-8.")


def _check_accept(accept: str | None) -> None:
    if not accept:
        return
    kinds = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    readable = ("*/*", "application/*", "application/json", "application/problem+json", "text/html", "text/*", "text/plain")
    if not any(kind in readable or kind.endswith("+json") for kind in kinds):
        raise NotAcceptable("This answers application/json; accept that.")


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
