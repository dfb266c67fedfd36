"""An answer before it is written to the wire, so that a fault can still change it."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

Json = dict[str, Any]


@dataclass(slots=True)
class Reply:
    """Status, body and headers. A `dict` is sent as JSON, text as it stands, None as an empty body."""

    status: int
    body: Json | str | None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def wire(self) -> bytes:
        """The bytes of the body."""
        match self.body:
            case None:
                return b""
            case str():
                return self.body.encode()
            case _:
                return orjson.dumps(self.body)

    def response(self) -> web.Response:
        """The answer as aiohttp sends it."""
        return web.Response(status=self.status, body=self.wire(), content_type=self.content_type, headers=self.headers)


def ok(**fields: Any) -> Reply:
    """200 in Teli's success envelope, the data at the top level."""
    return Reply(200, {"success": True, **fields, "powered_by": "Teli"})


class Answered(Exception):
    """Ends an operation where it stands: this goes to the client, and no later step runs."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Disconnected(Exception):
    """Ends an operation where it stands, after its connection was torn down."""
