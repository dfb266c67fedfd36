"""The gateway of a test behind a real uvicorn, as `numbergate serve` runs it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from service.http.edge import STANDARD, Limits
from service.http.server import limited
from tests.support.gateway import App, Gateway


@asynccontextmanager
async def served(gateway: Gateway, limits: Limits = STANDARD) -> AsyncIterator[int]:
    """Yields the port."""
    # Named as TCP, for only then asyncio switches Nagle's algorithm off (uvloop, in production, always does).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    with App.over(gateway.services, limits) as app:
        server = uvicorn.Server(
            uvicorn.Config(app, http=limited(limits), log_config=None, access_log=False, proxy_headers=False, ws="none")
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving
