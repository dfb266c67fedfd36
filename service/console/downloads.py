"""What the API exports, for a link, which cannot say `Accept`: `/console/download/csv/v1/numbers?state=active`."""

from typing import Literal

import orjson
from fastapi import APIRouter, Request, Response
from starlette.types import Message, Receive, Scope, Send

from service.console.api import Refused, inner_scope
from service.console.visit import PageRoute, VisitDep, refusal
from service.kit.errors import ServiceError

KINDS = {"csv": "text/csv", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}
HANDED_ON = (b"content-type", b"content-length", b"content-disposition", b"x-total-count", b"data-age")
router = APIRouter(prefix="/console/download", route_class=PageRoute, include_in_schema=False)


class Download(Response):
    """The API's answer as it comes, piece by piece; what it refuses is told as a page."""

    def __init__(self, request: Request, path: str, kind: str) -> None:
        super().__init__()
        self._request = request
        self._inner = inner_scope(request, path, request.url.query, accept=kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, problem, refused = 0, bytearray(), None

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [pair for pair in message["headers"] if pair[0] in HANDED_ON]
            if status < 300:
                await send(message)
            else:
                problem.extend(message.get("body", b""))

        try:
            await self._request.app(self._inner, receive, answer)
        except ServiceError as error:
            refused = Refused.by(error)
        else:
            if status >= 300:
                refused = Refused(status, orjson.loads(problem) if problem else {})
        if refused is not None:
            await (await refusal(self._request, refused))(scope, receive, send)


@router.get("/{form}/v1/{path:path}")
async def download(_: VisitDep, request: Request, form: Literal["csv", "ndjson", "parquet"], path: str) -> Response:
    return Download(request, f"/v1/{path}", KINDS[form])
