"""Faults of the line: answers that come late, never, or by another way."""

import asyncio
from typing import Literal

from pydantic import Field

from service.simulator.call import Call
from service.simulator.faults.fault import ANY, Fault
from service.simulator.reply import Reply
from service.simulator.state.world import World
from service.simulator.steps import Step


class Slow(Fault):
    """The request stands still for some seconds at a step, then goes on."""

    name = "slow"
    rows = (7, 8, 34, 48)
    operations = ANY
    seconds: float = Field(default=1.0, ge=0)

    async def strike(self, call: Call, world: World) -> None:
        await asyncio.sleep(self.seconds)


class ClientLeaves(Fault):
    """The request stands still at a step until its client has given up, then goes on with nobody listening."""

    name = "client_leaves"
    rows = (8, 34)
    operations = ANY
    within_seconds: float = Field(default=200.0, ge=0)

    async def strike(self, call: Call, world: World) -> None:
        deadline = asyncio.get_running_loop().time() + self.within_seconds
        # The server announces a lost connection nowhere, so we look.
        while not call.client_left and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Reset(Fault):
    """The connection is torn down by a TCP reset at a step, and nothing after that step takes place."""

    name = "reset"
    rows = (9, 10, 34)
    operations = ANY

    async def strike(self, call: Call, world: World) -> None:
        call.reset()


class Hold(Fault):
    """The request stands still at a step until the control interface lets it go."""

    name = "hold"
    rows = (8, 34, 48)
    operations = ANY

    async def strike(self, call: Call, world: World) -> None:
        await call.holds.wait(call.request_id, call.operation.name, self.step)


class SeeOther(Fault):
    """303 before the work is done; a GET on the `Location` waits for the answer and gives it once."""

    name = "see_other"
    rows = (12,)
    operations = ("create",)
    step: Literal[Step.received] = Step.received
    takes_seconds: float = Field(default=0.2, ge=0)
    origin: str | None = None
    """Scheme, host and port in `Location`: null is this server's own, and empty text leaves them out."""

    async def strike(self, call: Call, world: World) -> None:
        call_id = call.parked.park(call.final)
        origin = call.origin if self.origin is None else self.origin
        place = f"{origin}{call.url}?__modal_function_call_id={call_id}"
        call.send_early(Reply(303, None, headers={"Location": place}))
        await asyncio.sleep(self.takes_seconds)
