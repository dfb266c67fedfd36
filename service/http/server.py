"""What uvicorn leaves open: a head of any size may take for ever, and what is no HTTP is answered in plain text.

`Edge` limits what has a head; this limits the head itself, before there is a request to speak of.
"""

import asyncio
from asyncio import AbstractEventLoop, BaseTransport, TimerHandle, Transport
from collections.abc import Callable
from socket import socket
from types import FrameType
from typing import Any, cast
from uuid import uuid4

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.http.edge import SECURITY_HEADERS, Limits
from service.http.problems import MEDIA_TYPE, HeadersTooLarge, RequestTimeout, problem_body
from service.kit.clock import monotonic
from service.kit.errors import Fault, InvalidRequest, ServiceError

CLOSE = (b"connection", b"close")
# Seconds from a connection to the request on it.
LAST_REQUESTS = 0.3


class Server(uvicorn.Server):
    """uvicorn's, which leaves before it goes: for `notice` seconds from the signal on it answers as ever, while
    `leaving` has let whoever looks know, and each answer asks its caller to connect anew, which it will elsewhere. Then
    `stopping` is told, before anybody is cut off. A second signal ends the notice.
    """

    def __init__(
        self, config: uvicorn.Config, *, leaving: Callable[[], None], stopping: Callable[[], None], notice: float
    ) -> None:
        super().__init__(config)
        self._leaving = leaving
        self._stopping = stopping
        self._notice = notice
        self._signal: tuple[int, FrameType | None] | None = None
        self._goes_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._signal is None and self._notice:
            self._signal, self._goes_at = (sig, frame), monotonic() + self._notice
            self._leaving()
            # Also of answers under way; uvicorn makes the list anew each second.
            self.config.encoded_headers.append(CLOSE)
            self.server_state.default_headers.append(CLOSE)
            return
        if not self._notice:
            self._stopping()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        # Who has just connected is about to ask, and would be cut off unanswered.
        for server in self.servers:
            server.close()
        if self._notice:
            await asyncio.sleep(LAST_REQUESTS)
            self._stopping()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        if self._signal is not None and not self.should_exit and monotonic() >= self._goes_at:
            self.handle_exit(*self._signal)
        return await super().on_tick(counter)


# Bytes of an answer that wait for more of it, at most.
TOGETHER = 16_384


class Gathering:
    """A transport that sends at once what is written in one turn of the loop: head and body of an answer, and the
    answers to requests that came together. Each write is a system call, a packet and a wake-up of the caller.
    """

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._written: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)
        self._size += len(data)
        if self._size > TOGETHER:
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written:
            written, self._written, self._size = self._written, [], 0
            self._transport.write(b"".join(written))


def limited(limits: Limits) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, for its `http` setting, held to `limits`."""
    return type("Limited", (LimitedProtocol,), {"limits": limits})


class LimitedProtocol(HttpToolsProtocol):
    limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_so_far = 0
        self._patience: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.transport = cast(Transport, Gathering(self.transport, self.loop))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._patience is not None:
            # The parser hands a header over only when it is whole, so the bytes are counted before it. The edge names
            # the exact limit; twice that is what nobody has to read to the end.
            self._head_so_far += len(data)
            if self._head_so_far > 2 * self.limits.head:
                self._refuse(HeadersTooLarge(f"Path, query and headers are larger than {self.limits.head} bytes."))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidRequest(Fault("", "is not HTTP"), detail=msg))

    def _await_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(self.limits.head_within, self._too_late)

    def _head_is_here(self) -> None:
        self._head_so_far = 0
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _too_late(self) -> None:
        self._patience = None
        self._refuse(RequestTimeout(f"The headers did not arrive within {self.limits.head_within:g} seconds."))

    def _refuse(self, error: ServiceError) -> None:
        self._head_is_here()
        if self.transport.is_closing():
            return
        request_id = str(uuid4())
        body = problem_body(error, request_id)
        head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nx-request-id: {request_id}\r\n".encode()
        head += b"".join(b"%b: %b\r\n" % pair for pair in SECURITY_HEADERS)
        self.transport.write(STATUS_LINE[error.status] + head + b"connection: close\r\n\r\n" + body)
        self.transport.close()
