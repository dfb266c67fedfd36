"""What this Teli is like: switches, the clock, the stock."""

from aiohttp import web
from pydantic import Field, ValidationError

from service.simulator import nanp
from service.simulator.control.commands import Command, Refused, answer, read, read_object
from service.simulator.state.clock import zulu
from service.simulator.state.switches import Switches
from service.simulator.state.world import World


class Advance(Command):
    """Let virtual time jump ahead."""

    advance_seconds: float = Field(ge=0)


class Shelf(Command):
    """How many fresh numbers an area code has left; null is no limit."""

    area_code: str
    remaining: int | None = Field(ge=0)


class SettingsControl:
    """/_control/switches, /_control/clock and /_control/stock."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """The routes of this part."""
        return [
            web.get("/_control/switches", self._switches),
            web.put("/_control/switches", self._turn),
            web.get("/_control/clock", self._clock),
            web.post("/_control/clock", self._advance),
            web.get("/_control/stock", self._stock),
            web.post("/_control/stock", self._limit),
        ]

    async def _switches(self, request: web.Request) -> web.Response:
        return answer(self._world.switches.model_dump())

    async def _turn(self, request: web.Request) -> web.Response:
        changes = await read_object(request)
        try:
            self._world.switchboard.turn(**changes)
        except ValidationError as mistake:
            raise Refused.of(mistake, Switches) from mistake
        return await self._switches(request)

    async def _clock(self, request: web.Request) -> web.Response:
        return answer({"now": zulu(self._world.clock.now())})

    async def _advance(self, request: web.Request) -> web.Response:
        self._world.clock.advance((await read(request, Advance)).advance_seconds)
        return await self._clock(request)

    async def _stock(self, request: web.Request) -> web.Response:
        return answer({"area_codes": self._world.stock.shelves()})

    async def _limit(self, request: web.Request) -> web.Response:
        shelf = await read(request, Shelf)
        if not nanp.possible(shelf.area_code):
            raise Refused(f"{shelf.area_code} cannot be an area code, so it never has stock")
        self._world.stock.limit(shelf.area_code, shelf.remaining)
        return await self._stock(request)
