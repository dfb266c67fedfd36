"""Faults: arm, look, disarm; and the requests that a fault holds."""

from typing import Any

from aiohttp import web
from pydantic import Field, ValidationError

from service.simulator.control.commands import Command, Refused, answer, read
from service.simulator.faults.catalogue import FAULTS, described
from service.simulator.faults.engine import Armed, Faults
from service.simulator.operations import OPERATIONS
from service.simulator.waiting import Holds


class Arm(Command):
    """Arm a fault. `times` is 1 by default, and without end where there is a probability."""

    fault: str
    times: int | None = Field(default=None, ge=1)
    probability: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = None
    match: dict[str, str | int] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)


class Release(Command):
    """Let held requests go on: one, or all."""

    request_id: int | None = None


class FaultControl:
    """/_control/faults and /_control/holds."""

    def __init__(self, faults: Faults, holds: Holds) -> None:
        self._faults = faults
        self._holds = holds

    def routes(self) -> list[web.RouteDef]:
        """The routes of this part."""
        return [
            web.post("/_control/faults", self._arm),
            web.get("/_control/faults", self._all),
            web.delete("/_control/faults", self._disarm_all),
            web.get("/_control/faults/catalogue", self._catalogue),
            web.get("/_control/faults/{id}", self._one),
            web.delete("/_control/faults/{id}", self._disarm),
            web.get("/_control/holds", self._held),
            web.post("/_control/holds/release", self._release),
        ]

    async def _arm(self, request: web.Request) -> web.Response:
        command = await read(request, Arm)
        kind = FAULTS.get(command.fault)
        if kind is None:
            raise Refused(f"unknown fault {command.fault}", sorted(FAULTS))
        try:
            fault = kind.model_validate(command.params)
        except ValidationError as mistake:
            raise Refused.of(mistake, kind) from mistake
        known = OPERATIONS[fault.operation].fields
        if strange := sorted(command.match.keys() - known):
            raise Refused(f"match: {fault.operation} has no {', '.join(strange)}", sorted(known))
        armed = self._faults.arm(
            fault,
            times=command.times or (1 if command.probability is None else None),
            probability=1.0 if command.probability is None else command.probability,
            seed=command.seed,
            match={name: str(value) for name, value in command.match.items()},
        )
        return answer({"id": armed.id})

    async def _all(self, request: web.Request) -> web.Response:
        return answer({"faults": [_shown(armed) for armed in self._faults.all()]})

    async def _one(self, request: web.Request) -> web.Response:
        armed = self._faults.find(request.match_info["id"])
        if armed is None:
            raise Refused(f"no fault {request.match_info['id']}", [armed.id for armed in self._faults.all()])
        return answer(_shown(armed))

    async def _disarm(self, request: web.Request) -> web.Response:
        armed = self._faults.disarm(request.match_info["id"])
        if armed is None:
            raise Refused(f"no fault {request.match_info['id']}", [armed.id for armed in self._faults.all()])
        return answer(_shown(armed))

    async def _disarm_all(self, request: web.Request) -> web.Response:
        self._faults.disarm_all()
        return answer({"faults": []})

    async def _catalogue(self, request: web.Request) -> web.Response:
        return answer({"faults": [described(fault) for fault in FAULTS.values()]})

    async def _held(self, request: web.Request) -> web.Response:
        holds = [
            {"request_id": hold.request_id, "operation": hold.operation, "step": hold.step}
            for hold in self._holds.all()
        ]
        return answer({"holds": holds})

    async def _release(self, request: web.Request) -> web.Response:
        command = await read(request, Release)
        return answer({"released": self._holds.release(command.request_id)})


def _shown(armed: Armed) -> dict[str, Any]:
    return {
        "id": armed.id,
        "fault": armed.fault.name,
        "params": armed.fault.model_dump(),
        "times": armed.times,
        "probability": armed.probability,
        "seed": armed.seed,
        "match": armed.match,
        "struck": armed.struck,
        "spent": armed.spent,
    }
