"""One request on its way through the simulator."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from service.simulator.operations import Operation
from service.simulator.reply import Disconnected, Json, Reply
from service.simulator.steps import Step
from service.simulator.waiting import Holds, Parked

Strike = Callable[["Call", Step], Awaitable[None]]


class Call:
    """What was asked, what has been done of it, and the levers by which a fault bends it.

    `fields` is the body; `tenant_id` is empty until the key has been checked; `reply` is None until the step
    `answering`, where a fault may change it or put another in its place. `final` is the answer once it stands, and
    `early` the one that was sent before.
    """

    def __init__(
        self,
        request: web.Request,
        operation: Operation,
        fields: Json,
        request_id: int,
        *,
        strike: Strike,
        holds: Holds,
        parked: Parked,
    ) -> None:
        self.operation = operation
        self.fields = fields
        self.query = dict(request.query)
        self.path = dict(request.match_info)
        self.request_id = request_id
        self.tenant_id = ""
        self.reply: Reply | None = None
        self.instead: Reply | None = None
        self.list_lag = 0.0
        self.holds = holds
        self.parked = parked
        self.early: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.final: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._request = request
        self._strike = strike
        self._skipped: set[Step] = set()

    def value(self, name: str) -> Any:
        """What the request says under a name: in its path, its body, its query, or None."""
        for place in (self.path, self.fields, self.query):
            if name in place:
                return place[name]
        return None

    def text(self, name: str) -> str | None:
        """The same as text; numbers are written out, and null, blank or absent is None."""
        value = self.value(name)
        return None if value is None or value == "" else str(value)

    def says(self, name: str) -> bool:
        """Whether a flag in the query is set."""
        return str(self.query.get(name, "")).lower() in ("true", "1")

    @property
    def key(self) -> str:
        """The API key as it was sent; empty when there is none."""
        return self._request.headers.get("X-API-Key", "")

    @property
    def origin(self) -> str:
        """Scheme, host and port as the client named them."""
        return str(self._request.url.origin())

    @property
    def url(self) -> str:
        """The path as it was sent, without the query."""
        return self._request.rel_url.raw_path

    async def reached(self, step: Step) -> None:
        """A step is done: faults that were armed for this moment strike now."""
        await self._strike(self, step)

    def skip(self, step: Step) -> None:
        """Let a step that is still to come not take place."""
        self._skipped.add(step)

    def does(self, step: Step) -> bool:
        """Whether a step takes place."""
        return step not in self._skipped

    def send_early(self, reply: Reply) -> None:
        """Answer now, and go on with the work."""
        self.early.set_result(reply)

    def answer_instead(self, reply: Reply) -> None:
        """Let the work go on to its end, and answer this instead of what came of it."""
        self.instead = reply

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection it came by; None when that is gone."""
        return self._request.transport

    @property
    def client_left(self) -> bool:
        """Whether nobody is there any more to hear the answer."""
        transport = self.transport
        return transport is None or transport.is_closing()

    def reset(self) -> None:
        """Tear the connection down by a TCP RST, and end the operation here. Raises Disconnected."""
        transport = self.transport
        if transport is not None and not self.early.done():  # After an early answer it may carry another request.
            # A linger of zero makes the kernel send RST instead of FIN and drop what was not sent yet.
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        raise Disconnected
