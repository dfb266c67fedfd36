"""A part of a page that is told anew until it is over, as server-sent events: see `follow` in console.js."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from service.console.api import Refused

# How many follow something in one process.
MOST = 100
# Seconds between looks; after how many silent ones a proxy is told that somebody is still there; and after how many
# the browser asks again, and another process may answer.
EVERY, SILENT, LOOKS = 1.0, 15, 300
FULL = {
    "code": "too_many_followers", "title": "Too many followers",
    "detail": "Too many people follow something at the moment. Load the page anew to see how far it is.",
}  # fmt: skip
OVER = b"event: over\ndata: over\n\n"
Look = Callable[[], Awaitable[tuple[str, bool]]]
_places = asyncio.Semaphore(MOST)


def followed(request: Request, look: Look) -> Response:
    """What `look` finds, whenever that changed, until it says that it is over; each look in the session as it is then.

    A session that ended meanwhile ends it too: the page is loaded anew, and leads to the login. So does a process that
    ends, without a word: the browser asks the next one.
    Raises: Refused where too many follow already.
    """
    if _places.locked():
        raise Refused(503, FULL)
    return StreamingResponse(
        _events(request, look), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _events(request: Request, look: Look) -> AsyncIterator[bytes]:
    health = request.app.state.services.health
    before, silent, over = "", 0, False
    async with _places:
        for _ in range(LOOKS):
            if health.draining():
                return
            try:
                part, over = await look()
            except Refused as refused:
                if refused.status >= 500:
                    return
                part, over = before, True  # The page, loaded anew, says what it is.
            if part != before:
                before, silent = part, 0
                yield b"data: " + orjson.dumps(part) + b"\n\n"
            elif (silent := silent + 1) % SILENT == 0:
                yield b":\n\n"
            if over:
                yield OVER
                return
            await asyncio.sleep(EVERY)
