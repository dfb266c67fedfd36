"""A Teli of bare sockets, to break an answer at any byte."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ssl import SSLContext
from typing import Self


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answers = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


def http(status: int = 200, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A whole answer; `length` may lie."""
    head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def sends(*pieces: bytes | float, reset: bool = False) -> Answers:
    """Send the pieces, pausing where there is a number of seconds; then close, or tear down."""

    async def answer(_: Asked, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            if isinstance(piece, bytes):
                writer.write(piece)
                await writer.drain()
            else:
                await asyncio.sleep(piece)
        if reset:
            writer.transport.abort()
        writer.close()

    return answer


class RawTeli:
    """Every request is answered by `answers`; `asked` holds all that arrived whole, `connections` counts them."""

    def __init__(self, answers: Answers, *, tls: SSLContext | None = None) -> None:
        self.answers, self._tls = answers, tls
        self.asked: list[Asked] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def posts(self) -> int:
        return sum(asked.method == "POST" for asked in self.asked)

    @property
    def gets(self) -> list[str]:
        return [asked.target for asked in self.asked if asked.method == "GET"]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                asked = await read_request(reader)
                self.asked.append(asked)
                await self.answers(asked, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
