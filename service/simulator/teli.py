"""Teli's side of the simulator: every request is logged, authenticated, carried out and answered here."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from service.simulator import errors
from service.simulator.call import Call
from service.simulator.endpoints.routes import ENDPOINTS, Endpoint
from service.simulator.errors import Refusal, refusal
from service.simulator.faults.engine import Faults
from service.simulator.operations import OPERATIONS, Operation
from service.simulator.reply import Answered, Disconnected, Json, Reply
from service.simulator.state.world import World
from service.simulator.steps import Step
from service.simulator.waiting import Holds, Parked

_BIGGEST_BODY = 64 * 2**20


class Teli:
    """The API of one simulated Teli. A client that leaves does not stop what it asked for."""

    def __init__(self, world: World, faults: Faults, holds: Holds) -> None:
        self._world = world
        self._faults = faults
        self._holds = holds
        self._parked = Parked()
        self._at_work: dict[asyncio.Task[Reply | None], Call] = {}
        self.keep_alive = True
        """Whether a connection outlives its answer."""

    def app(self) -> web.Application:
        """The API as an aiohttp application."""
        app = web.Application(client_max_size=_BIGGEST_BODY)
        for operation in OPERATIONS.values():
            app.router.add_route(operation.method, operation.path, self._handler(operation, ENDPOINTS[operation.name]))
        app.router.add_route("*", "/{path:.*}", self._handler(Operation("unknown", "*", "/"), _unknown))
        app.on_shutdown.append(self._stop)
        return app

    async def abandon(self) -> None:
        """Drop what is being worked on, and tear down the connections that wait for it."""
        dropped = list(self._at_work)
        for work in dropped:
            work.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)

    def busy(self, transport: asyncio.BaseTransport | None) -> bool:
        """Whether a request that came by this connection is still being worked on."""
        return any(call.transport is transport for call in self._at_work.values())

    async def _stop(self, app: web.Application) -> None:
        await self.abandon()

    def _handler(self, operation: Operation, endpoint: Endpoint) -> Any:
        async def handle(request: web.Request) -> web.Response:
            return await self._serve(request, operation, endpoint)

        return handle

    async def _serve(self, request: web.Request, operation: Operation, endpoint: Endpoint) -> web.Response:
        raw = await request.read()
        body = _parsed(raw)
        journal = self._world.journal
        request_id = journal.open(operation.name, request.method, request.path, dict(request.query), body)
        call = Call(
            request,
            operation,
            body or {},
            request_id,
            strike=self._faults.strike,
            holds=self._holds,
            parked=self._parked,
        )
        # The work is a task of its own, so that it outlives an early answer.
        work = asyncio.create_task(self._answer(call, endpoint, readable=body is not None or not raw))
        self._at_work[work] = call
        work.add_done_callback(self._at_work.pop)
        await asyncio.wait((work, call.early), return_when=asyncio.FIRST_COMPLETED)
        reply = call.early.result() if call.early.done() else None if work.cancelled() else work.result()
        if reply is None:
            journal.close(request_id, "disconnected", None)
            if call.transport is not None:
                call.transport.abort()
            return web.Response()  # Nobody reads it: the connection is gone.
        journal.close(request_id, "client_left" if call.client_left else "answered", reply.status)
        response = reply.response()
        if not self.keep_alive:
            response.force_close()
        return response

    async def _answer(self, call: Call, endpoint: Endpoint, *, readable: bool) -> Reply | None:
        """Do the work. None when its connection was torn down on the way, so that there is nobody to answer."""
        try:
            call.reply = await self._carried_out(call, endpoint, readable=readable)
            await call.reached(Step.answering)
            reply = call.reply
        except Answered as answered:
            reply = answered.reply
        except Disconnected:
            call.final.cancel()  # Whoever was promised the answer is disconnected too.
            return None
        call.final.set_result(reply)
        return reply

    async def _carried_out(self, call: Call, endpoint: Endpoint, *, readable: bool) -> Reply:
        if latency := self._world.switches.latency_ms.get(call.operation.name):
            await asyncio.sleep(latency / 1000)
        await call.reached(Step.received)
        try:
            self._authenticate(call)
            if not readable:
                raise refusal(400, "Invalid JSON")
            if self._world.switches.strict:
                _refuse_the_undocumented(call)
            reply = await endpoint(call, self._world)
        except Refusal as refused:
            reply = errors.shaped(refused, self._world.switches.error_shape)
        return call.instead or reply

    def _authenticate(self, call: Call) -> None:
        switches = self._world.switches
        if not call.key:
            raise Refusal(401, {"error": "API key is required", "success": False})
        key = self._world.keys.find(call.key)
        if key is None or key.status == "revoked":
            more: Json = {"success": False} if switches.invalid_key_body == "success" else {"powered_by": "Teli"}
            raise Refusal(switches.invalid_key_status, {"error": "Invalid API key", **more})
        if key.status == "forbidden":
            raise Refusal(403, {"error": "Forbidden", "success": False})
        call.tenant_id = key.tenant_id


def _parsed(raw: bytes) -> Json | None:
    """The JSON object of a body; None when there is none or it is something else."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _refuse_the_undocumented(call: Call) -> None:
    for place, given, documented in (
        ("body", call.fields, call.operation.body),
        ("query", call.query, call.operation.query),
    ):
        if unknown := sorted(given.keys() - documented):
            raise refusal(400, f"Unknown {place} fields: {', '.join(unknown)}")
    for name in ("area_code", "user_id", "organization_id", "tenant_id", "nickname"):
        if not isinstance(call.fields.get(name, ""), str):
            raise refusal(400, f"{name} must be a string")


async def _unknown(call: Call, world: World) -> Reply:
    raise refusal(404, "Not found")
