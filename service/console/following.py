"""A part of a page that is told anew until it is over, as server-sent events: see `follow` in console.js."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.console.api import Refused
from service.console.rendering import render

EVERY = 1.0
# Then the browser asks again, and another process may answer.
FOR = 300.0


@dataclass(frozen=True, slots=True)
class Told:
    template: str
    of: Mapping[str, Any]


def followed(request: Request, parts: AsyncIterator[Told]) -> Response:
    """What `parts` yields, at most once in EVERY seconds and only what changed; it is over when that ends.

    A session that ended meanwhile ends it too: the page is loaded anew, and leads to the login.
    """
    return StreamingResponse(
        _events(request, parts), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _events(request: Request, parts: AsyncIterator[Told]) -> AsyncIterator[bytes]:
    before = ""
    try:
        async with asyncio.timeout(FOR):
            async for told in parts:
                part = render(told.template, path=request.url.path, query={}, **told.of)
                if part != before:
                    yield b"data: " + orjson.dumps(part) + b"\n\n"
                before = part
                await asyncio.sleep(EVERY)
    except TimeoutError:
        return
    except Refused:
        pass
    yield b"event: over\ndata: over\n\n"
