"""A TCP proxy that counts round trips and bytes, loses questions or answers, falls silent, goes down and up again."""

import asyncio
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit, urlunsplit

CHUNK = 1 << 16


class Line:
    """One connection through the wire."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.answered = True
        self.loses_answer = False

    def cut(self) -> None:
        for end in (self.near, self.far):
            end.transport.abort()


class Wire:
    """`url` leads to where `target` does. A round trip begins where a client speaks after it was answered, or first."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._lines: set[Line] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._losing: list[tuple[bytes, str]] = []
        self.lost = 0
        self.mute = False
        self.lag = 0.0
        self.round_trips = 0
        self.bytes = 0
        self.on_question: Callable[[bytes], None] = lambda data: None

    @property
    def url(self) -> str:
        who, _, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{who}{'@' if who else ''}127.0.0.1:{self._port}"))

    def lose_question(self, containing: bytes) -> None:
        """Cut the line when a question with these bytes comes by; it does not arrive."""
        self._losing.append((containing, "question"))

    def lose_answer(self, containing: bytes) -> None:
        """Let a question with these bytes arrive, and cut the line in place of its answer."""
        self._losing.append((containing, "answer"))

    def cut_after(self, containing: bytes) -> None:
        """Let a question with these bytes arrive and cut the line at once, while it is being worked on."""
        self._losing.append((containing, "rest"))

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections, and cut those that are open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Cut every line; whoever connects anew gets through."""
        for line in list(self._lines):
            line.cut()

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            near.transport.abort()
            return
        line = Line(near, far)
        self._lines.add(line)
        try:
            await asyncio.gather(self._ask(line, near_reader), self._answer(line, far_reader))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._lines.discard(line)
            line.cut()

    async def _ask(self, line: Line, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            self.on_question(data)
            self.bytes += len(data)
            self.round_trips += line.answered
            line.answered = False
            loses = next((entry for entry in self._losing if entry[0] in data), None)
            if loses is not None:
                self._losing.remove(loses)
                self.lost += 1
                if loses[1] == "question":
                    return line.cut()
                line.loses_answer = loses[1] == "answer"
            line.far.write(data)
            await line.far.drain()
            if loses is not None and loses[1] == "rest":
                await asyncio.sleep(0.05)
                return line.cut()
        line.far.write_eof()
        return None

    async def _answer(self, line: Line, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(CHUNK):
            self.bytes += len(data)
            if line.loses_answer:
                return line.cut()
            if self.mute:
                continue
            line.answered = True
            if self.lag:
                await asyncio.sleep(self.lag)
            line.near.write(data)
            await line.near.drain()
        line.near.write_eof()
        return None
