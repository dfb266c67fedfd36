"""Teli, to be read only: whatever else is asked for does not leave this machine."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from service.settings import Settings
from service.teli.client import TeliClient


class NotARead(Exception):
    """A request that could change something at Teli, and was not sent."""


@dataclass(frozen=True, slots=True)
class Read:
    """One GET; `seconds` until its headers came."""

    path: str
    status: int
    seconds: float


class GetsOnly(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.reads: list[Read] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises: NotARead."""
        if request.method != "GET":
            raise NotARead(f"{request.method} {request.url.path}")
        began = time.perf_counter()
        answer = await self._inner.handle_async_request(request)
        self.reads.append(Read(request.url.path, answer.status_code, time.perf_counter() - began))
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()


@dataclass(frozen=True, slots=True)
class Reading:
    teli: TeliClient
    transport: GetsOnly = field(repr=False)


def reading(settings: Settings, *, listen: float) -> AbstractAsyncContextManager[Reading]:
    """Of the deployment's own account; as `reading_at`."""
    return reading_at(settings.teli_base_url, settings.teli_api_key.get_secret_value(), listen=listen)


@asynccontextmanager
async def reading_at(base_url: str, key: str, *, listen: float) -> AsyncIterator[Reading]:
    """A client of a Teli that can only read. `listen`: as `TeliClient`'s, in seconds."""
    verify = ssl.create_default_context() if base_url.startswith("https:") else False
    transport = GetsOnly(httpx.AsyncHTTPTransport(verify=verify, trust_env=False))
    teli = TeliClient(base_url, key, listen=listen, transport=transport)
    try:
        yield Reading(teli, transport)
    finally:
        await teli.close()
