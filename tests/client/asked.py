"""Either client, asked in the same way, so that a test says once what holds for both."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from operator import attrgetter
from typing import Any

import httpx

from service.client import AsyncClient, Client

# In which the simulator sells, for purchases that are told apart by them.
AREA_CODES = [str(code) for code in (*range(212, 217), 248, 305, *range(312, 322), 323, 325, 330)]
Answering = Callable[[httpx.Request], httpx.Response]


class Asked:
    """`await asked("buy", "313", user)` is `buy` of whichever client it is; an iterator's items come as a list."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    async def __call__(self, method: str, *arguments: Any, **named: Any) -> Any:
        called = attrgetter(method)(self.client)
        if isinstance(self.client, AsyncClient):
            found = called(*arguments, **named)
            return [one async for one in found] if inspect.isasyncgen(found) else await found
        return await asyncio.to_thread(_whole, called, *arguments, **named)


def _whole(called: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    found = called(*arguments, **named)
    return list(found) if inspect.isgenerator(found) else found


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """What is between client and gateway. Each fault takes the next request: `lost` carries it there and loses the
    answer, `cut` loses the request itself, `proxy` carries it there and answers 502 in the gateway's place.
    """

    def __init__(self, *faults: str) -> None:
        self.faults = list(faults)
        self.keys: list[str | None] = []
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._before(request)
        answer = self._sync.handle_request(request)
        if fault is None:
            return answer
        answer.read()
        answer.close()
        return self._instead(fault, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._before(request)
        answer = await self._async.handle_async_request(request)
        if fault is None:
            return answer
        await answer.aread()
        await answer.aclose()
        return self._instead(fault, request)

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()

    def _before(self, request: httpx.Request) -> str | None:
        self.keys.append(request.headers.get("Idempotency-Key"))
        fault = self.faults.pop(0) if self.faults else None
        if fault == "cut":
            raise httpx.WriteError("cut", request=request)
        return fault

    def _instead(self, fault: str, request: httpx.Request) -> httpx.Response:
        if fault == "proxy":
            return httpx.Response(502, html="<h1>Bad gateway</h1>", request=request)
        raise httpx.ReadError("lost", request=request)


KINDS: dict[str, type[Client] | type[AsyncClient]] = {"sync": Client, "async": AsyncClient}


@asynccontextmanager
async def asking(kind: str, base_url: str, key: str, **options: Any) -> AsyncIterator[Asked]:
    client = KINDS[kind](base_url, key, **options)
    try:
        yield Asked(client)
    finally:
        await Asked(client)("close")


def told_by(answer: Answering, kind: str = "sync", **options: Any) -> Asked:
    """A client of a gateway that is nothing but a function."""
    client = KINDS[kind]("http://127.0.0.1:9", "a-key", transport=httpx.MockTransport(answer), **options)
    return Asked(client)
