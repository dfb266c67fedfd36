"""What is true, and what was asked: for tests to check against what was answered."""

from dataclasses import asdict
from typing import Any

from aiohttp import web

from service.simulator.control.commands import Refused, answer
from service.simulator.operations import OPERATIONS
from service.simulator.state.clock import zulu
from service.simulator.state.world import World

_MOMENTS = ("bought_at", "released_at", "created_at", "listed_from", "deleted_at", "billed_from", "billed_to")


class TruthControl:
    """/_control/truth, /_control/counts and /_control/requests."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        """The routes of this part."""
        return [
            web.get("/_control/truth", self._truth),
            web.get("/_control/counts", self._counts),
            web.get("/_control/requests", self._requests),
            web.delete("/_control/requests", self._forget_requests),
        ]

    async def _truth(self, request: web.Request) -> web.Response:
        world = self._world
        purchases = [_told(asdict(purchase)) for purchase in world.carrier.purchases()]
        records = [_told(asdict(record)) for record in world.records.all()]
        recorded = {record["purchase_id"] for record in records}
        return answer(
            {
                "carrier": {
                    "purchases": purchases,
                    "held": [one["phone_number"] for one in purchases if one["released_at"] is None],
                    "unrecorded": [one["phone_number"] for one in purchases if one["purchase_id"] not in recorded],
                },
                "provider": {"links": world.provider.links()},
                "record": {"rows": records},
                "billing": {"bills": [_told(bill) for bill in world.billing.bills()]},
                "dialled": world.calls.dialled(world.clock.now()),
            }
        )

    async def _counts(self, request: web.Request) -> web.Response:
        world = self._world
        return answer(
            {
                "bought": world.carrier.bought(),
                "held": world.carrier.held(),
                "recorded": world.records.live(),
                "billed": world.billing.open(),
                "creates": world.journal.received("create"),
            }
        )

    async def _requests(self, request: web.Request) -> web.Response:
        operation = request.query.get("operation")
        if operation is not None and operation not in OPERATIONS:
            raise Refused(f"unknown operation {operation}", sorted(OPERATIONS))
        return answer({"requests": self._world.journal.entries(operation)})

    async def _forget_requests(self, request: web.Request) -> web.Response:
        self._world.journal.clear()
        return answer({"requests": []})


def _told(row: dict[str, Any]) -> dict[str, Any]:
    for name in _MOMENTS:
        if row.get(name) is not None:
            row[name] = zulu(row[name])
    return row
