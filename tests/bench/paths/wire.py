"""Redis and HTTP with nothing between the program and the socket: what a library costs is seen beside it."""

import asyncio
import hashlib
from collections import deque
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import hiredis


class Redis(asyncio.Protocol):
    """One connection, on which whoever asks does so at once: the answers come in the same order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()

    @classmethod
    async def open(cls, url: str) -> "Redis":
        parts = urlsplit(url)
        _, redis = await asyncio.get_running_loop().create_connection(cls, parts.hostname, parts.port)
        if parts.password:
            await redis.ask("AUTH", parts.username or "default", parts.password)
        return redis

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (said := self._reader.gets()) is not False:
            self._waiting.popleft().set_result(said)

    def ask(self, *command: str | bytes | int) -> "asyncio.Future[Any]":
        self._transport.write(hiredis.pack_command(command))
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        return answer

    async def script(self, text: str) -> str:
        await self.ask("SCRIPT", "LOAD", text)
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Upstream(asyncio.Protocol):
    """A connection to the seller, which one request at a time has to itself."""

    idle: ClassVar["deque[Upstream]"] = deque()

    def __init__(self) -> None:
        self._heard = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        end = self._heard.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        at = self._heard.lower().index(b"content-length:") + 15
        whole = end + 4 + int(self._heard[at : self._heard.index(b"\r", at)])
        if len(self._heard) >= whole:
            answer, self._answer = self._answer, None
            body, self._heard = self._heard[end + 4 : whole], b""
            answer.set_result(body)

    @classmethod
    async def post(cls, port: int, body: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        one = cls.idle.pop() if cls.idle else (await loop.create_connection(cls, "127.0.0.1", port))[1]
        one._answer = answer = loop.create_future()
        one._transport.write(
            b"POST /v1/voice/phone-numbers/create HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        heard: bytes = await answer
        cls.idle.append(one)
        return heard
