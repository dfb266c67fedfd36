"""How the control interface reads a body and says what is wrong with it."""

import re
from typing import Any, TypeVar

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, ValidationError


class Command(BaseModel):
    """The body of a control request. What it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Refused(Exception):
    """A control request that makes no sense: 400 saying why, and what is known instead."""

    def __init__(self, error: str, known: list[str] | None = None) -> None:
        super().__init__(error)
        self.body = {"error": error} | ({} if known is None else {"known": known})

    @classmethod
    def of(cls, fault: ValidationError, model: type[BaseModel]) -> "Refused":
        """Each mistake by the name of its field, and the fields there are."""
        mistakes = (f"{'.'.join(map(str, one['loc'])) or 'body'}: {_readable(one['msg'])}" for one in fault.errors())
        return cls("; ".join(mistakes), sorted(model.model_fields))


def _readable(message: str) -> str:
    """Pydantic's words, without its own label and with the values of enumerations in place of their members."""
    return re.sub(r"<\w+\.\w+: ('[^']*')>", r"\1", message.removeprefix("Value error, "))


CommandT = TypeVar("CommandT", bound=BaseModel)


async def read(request: web.Request, model: type[CommandT]) -> CommandT:
    """The body as a command; an empty body is an empty object. Raises Refused."""
    try:
        return model.model_validate(await read_object(request))
    except ValidationError as fault:
        raise Refused.of(fault, model) from fault


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object. Raises Refused."""
    raw = await request.read()
    try:
        body = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError as fault:
        raise Refused("the body is not JSON") from fault
    if not isinstance(body, dict):
        raise Refused("the body is not a JSON object")
    return body


def answer(body: Any) -> web.Response:
    """200 with JSON."""
    return web.Response(body=orjson.dumps(body), content_type="application/json")


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 400 where a command was refused, and in JSON too where there is no such path or method."""
    try:
        return await handler(request)
    except Refused as refused:
        return web.Response(status=400, body=orjson.dumps(refused.body), content_type="application/json")
    except web.HTTPNotFound:
        paths = {resource.canonical for resource in request.app.router.resources()}
        body = {"error": f"unknown path {request.path}", "known": sorted(paths)}
        return web.Response(status=404, body=orjson.dumps(body), content_type="application/json")
    except web.HTTPMethodNotAllowed as refused:
        known = sorted(refused.allowed_methods)
        body = {"error": f"{request.path} does not take {request.method}", "known": known}
        headers = {"Allow": ", ".join(known)}
        return web.Response(status=405, body=orjson.dumps(body), content_type="application/json", headers=headers)
