"""Whether the caller is still there: its connection, watched while its answer is made."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request


@asynccontextmanager
async def watched(request: Request) -> AsyncIterator["asyncio.Future[None]"]:
    """Gives what is done as soon as the caller's connection is gone. The body has been read by then."""
    watching = asyncio.create_task(_gone(request))
    try:
        yield watching
    finally:
        watching.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
