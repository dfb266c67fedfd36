"""One request by one connection, opened for it and closed after it: httpx's transport for what must not be repeated.

httpx's own costs several times as much for each request, with a pool, retries on idle connections and locks that
nothing here has a use for. What is said is read by llhttp, as uvicorn reads what callers say.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

import httpx
from httptools import HttpParserError, HttpResponseParser

# Bytes of an answer's status line and headers, and of its body that wait to be read.
HEAD_LIMIT, WAITING_LIMIT = 102_400, 65_536
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110, 5.5: no control characters, and no white space at either end.
VALUE = re.compile(rb"([!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


class OneShot(httpx.AsyncBaseTransport):
    """`most`: connections at a time; for how long a turn and a connection are waited for, the client's timeout says.

    Of httpx's trace it tells what counts; with `http11.send_request_headers.started` a connection is in hand,
    and the first byte is about to leave.
    """

    def __init__(self, verify: ssl.SSLContext | None, *, most: int) -> None:
        self._tls = verify
        self._turns = asyncio.Semaphore(most)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises: httpx.TransportError, and what the trace raises; nothing was sent before the trace was told."""
        written = _written(request, await request.aread())
        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._turns.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("") from None
        answer, tell = _Answer(self._turns), request.extensions["trace"]
        try:
            await self._connect(request.url, answer, within=request.extensions["timeout"]["connect"])
            await tell("connection.connect_tcp.complete", {})
            await tell("http11.send_request_headers.started", {})
            answer.ask(written)
            await tell("http11.send_request_body.complete", {})
            await answer.head
            await tell("http11.receive_response_headers.complete", {})
        except BaseException:
            await answer.aclose()
            raise
        return httpx.Response(answer.status, headers=answer.headers, stream=answer)

    async def _connect(self, url: httpx.URL, answer: "_Answer", *, within: float) -> None:
        secure = url.scheme == "https"
        host = url.raw_host.decode("ascii")
        try:
            async with asyncio.timeout(within):
                await asyncio.get_running_loop().create_connection(
                    lambda: answer, host, url.port or (443 if secure else 80), ssl=self._tls if secure else None
                )
        except TimeoutError:
            raise httpx.ConnectTimeout(f"no connection within {within:g} s") from None
        except (OSError, ValueError) as error:
            raise httpx.ConnectError(str(error)) from error


class _Answer(asyncio.Protocol, httpx.AsyncByteStream):
    """`head` is done once status and headers are here; iterated, it is the body as it comes.

    Closed, it gives its turn back.
    """

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self.head: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._turns: asyncio.Semaphore | None = turns
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(self)
        self._size_of_head = 0
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._is_whole = False
        self._broken: httpx.TransportError | None = None
        self._news = asyncio.Event()

    def ask(self, written: bytes) -> None:
        assert self._transport is not None
        self._transport.write(written)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._waiting -= len(piece)
                yield piece
            if self._broken is not None:
                raise self._broken
            if self._is_whole:
                return
            self._news.clear()
            if self._transport is not None:
                self._transport.resume_reading()
            await self._news.wait()

    async def aclose(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._turns is not None:
            self._turns.release()
            self._turns = None
        self.head.cancel()

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._is_whole or self._broken is not None:
            return
        if not self.head.done():
            self._size_of_head += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            self._end(httpx.RemoteProtocolError(str(error)))
        if not self.head.done() and self._size_of_head > HEAD_LIMIT:
            self._end(httpx.RemoteProtocolError(f"the headers are longer than {HEAD_LIMIT} bytes"))
        if self._waiting > WAITING_LIMIT and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        names = {name.lower() for name, _ in self.headers}
        if self.head.done() and not names & {b"content-length", b"transfer-encoding"}:
            self._is_whole = True
        self._end(httpx.RemoteProtocolError("the connection was closed before a whole answer had come"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(httpx.ReadError(str(exc or "the connection is gone")))

    def _end(self, error: httpx.TransportError) -> None:
        """Nothing more comes: that is how it broke, unless all was here."""
        if not self._is_whole and self._broken is None:
            self._broken = error
            if not self.head.done():
                self.head.set_exception(error)
        self._news.set()

    # What the parser tells

    def on_message_begin(self) -> None:
        if not self._is_whole:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_whole:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == 101:
            self._end(httpx.RemoteProtocolError("it switches to a protocol that nobody asked for"))
        elif status >= 200 and not self.head.done():
            self.status = status
            self.head.set_result(None)

    def on_body(self, body: bytes) -> None:
        if not self._is_whole:
            self._pieces.append(body)
            self._waiting += len(body)
            self._news.set()

    def on_message_complete(self) -> None:
        # One of 1xx comes before the answer.
        if self.head.done():
            self._is_whole = True
            self._news.set()


def _written(request: httpx.Request, body: bytes) -> bytes:
    """Raises: httpx.LocalProtocolError where a header would break the message."""
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    for name, value in request.headers.raw:
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise httpx.LocalProtocolError(f"{name.decode(errors='replace')} cannot be sent in a header")
        lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join([*lines, b"", body])
