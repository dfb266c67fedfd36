"""The control interface as one application, and the two commands that concern all of it."""

from aiohttp import web

from service.simulator.control.commands import answer, refusals
from service.simulator.control.faults import FaultControl
from service.simulator.control.people import PeopleControl
from service.simulator.control.settings import SettingsControl
from service.simulator.control.truth import TruthControl
from service.simulator.faults.engine import Faults
from service.simulator.listener import Listener
from service.simulator.state.world import World
from service.simulator.teli import Teli
from service.simulator.waiting import Holds


class Control:
    """Everything under /_control/."""

    def __init__(self, world: World, faults: Faults, holds: Holds, teli: Teli, listener: Listener) -> None:
        self._world = world
        self._faults = faults
        self._holds = holds
        self._teli = teli
        self._listener = listener

    def app(self) -> web.Application:
        """The control interface as an aiohttp application."""
        app = web.Application(middlewares=[refusals])
        for part in (
            FaultControl(self._faults, self._holds),
            TruthControl(self._world),
            SettingsControl(self._world),
            PeopleControl(self._world),
        ):
            app.router.add_routes(part.routes())
        app.router.add_post("/_control/offline", self._offline)
        app.router.add_post("/_control/online", self._online)
        app.router.add_post("/_control/reset", self._reset)
        return app

    async def _offline(self, request: web.Request) -> web.Response:
        await self._listener.close()
        return answer({"online": False})

    async def _online(self, request: web.Request) -> web.Response:
        await self._listener.open()
        return answer({"online": True})

    async def _reset(self, request: web.Request) -> web.Response:
        # What is under way is dropped first, or it would go on buying in the fresh state.
        self._faults.disarm_all()
        await self._teli.abandon()
        self._world.reset()
        await self._listener.open()
        return answer({"reset": True})
