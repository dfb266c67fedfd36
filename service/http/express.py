"""The express lane: a few hot paths answered past the framework, where there is nothing unusual about a request.

FastAPI finds a route among hundreds, solves its dependencies and looks at each parameter anew for every request, which
takes longer than all that a replay or a listing needs. A lane calls the very function behind the endpoint, with what it
read itself. Whatever it does not read at first sight it leaves, before it has done anything, to the framework, which
knows all that may be wrong with a request: so each endpoint has one meaning, and one description.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from service.http.problems import Told
from service.kit.errors import ServiceError

# They change what is answered, and to whom, in ways that the lanes know nothing of.
UNUSUAL = frozenset({b"cookie", b"prefer", b"if-none-match"})
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Plain:
    """A request without anything unusual: each header once, a body of JSON if any. `body`: all of it, not yet read."""

    request: Request
    headers: Mapping[bytes, bytes]
    body: bytes

    @property
    def query(self) -> Mapping[str, str] | None:
        """Each parameter once, as the framework reads them; None where one comes twice."""
        pairs = parse_qsl(self.request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        found = dict(pairs)
        return found if len(found) == len(pairs) else None


@dataclass(frozen=True, slots=True)
class Lane:
    """`path`: as the framework's own route has it. `answer`: gives None, and has done nothing, for what is not its to
    answer; raises what the endpoint does.
    """

    path: str
    answer: Callable[[Plain], Awaitable[Response | None]]


class Express:
    """`lanes`: by method and path. `below`: by the beginning of a path of GET that has one part more."""

    def __init__(
        self, app: FastAPI, told: Told, lanes: Mapping[tuple[str, str], Lane], below: Mapping[str, Lane]
    ) -> None:
        self._app = app
        self._told = told
        self._lanes = lanes
        self._below = below

    async def __call__(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> bool:
        """Whether it was answered. `receive`: what comes after the body."""
        lane = self._lane_of(scope)
        if lane is None:
            return False
        headers = dict(scope["headers"])
        if len(headers) != len(scope["headers"]) or not UNUSUAL.isdisjoint(headers):
            return False
        if body and headers.get(b"content-type") != JSON:
            return False
        scope["app"], scope["route"] = self._app, lane
        request = Request(scope, receive)
        try:
            answer = await lane.answer(Plain(request, headers, body))
        except ServiceError as error:
            answer = await self._told(request, error)
        if answer is None:
            return False
        await answer(scope, receive, send)
        return True

    def _lane_of(self, scope: Scope) -> Lane | None:
        path: str = scope["path"]
        lane = self._lanes.get((scope["method"], path))
        if lane is None and scope["method"] == "GET":
            lane = self._below.get(path[: path.rfind("/") + 1])
        return lane
