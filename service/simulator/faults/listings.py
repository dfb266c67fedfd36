"""Faults of looking: listings and counts that do not show what is there."""

from typing import Literal

from pydantic import Field

from service.simulator.call import Call
from service.simulator.faults.fault import LISTINGS, Fault
from service.simulator.reply import Json
from service.simulator.state.world import World
from service.simulator.steps import Step

_ROWS = ("phone_numbers", "calls", "campaigns", "organizations", "users")


class ListOmits(Fault):
    """The last rows of a listing are left out, and `count` agrees with what is left unless told otherwise."""

    name = "list_omits"
    rows = (22,)
    operations = LISTINGS
    step: Literal[Step.answering] = Step.answering
    omitted: int = Field(default=1, ge=1)
    keep_count: bool = False

    async def strike(self, call: Call, world: World) -> None:
        for body, name in _listings(call):
            body[name] = body[name][: -self.omitted]
            if not self.keep_count:
                body["count"] = len(body[name])


class ListMiscounts(Fault):
    """`count` differs from the number of rows."""

    name = "list_miscounts"
    rows = (22,)
    operations = LISTINGS
    step: Literal[Step.answering] = Step.answering
    by: int = 1

    async def strike(self, call: Call, world: World) -> None:
        for body, _ in _listings(call):
            body["count"] += self.by


class ListEmpty(Fault):
    """200 and no rows, although there are some."""

    name = "list_empty"
    rows = (23,)
    operations = LISTINGS
    step: Literal[Step.answering] = Step.answering

    async def strike(self, call: Call, world: World) -> None:
        for body, name in _listings(call):
            body[name], body["count"] = [], 0


class AnalyticsMiscount(Fault):
    """The counts of numbers are off."""

    name = "analytics_miscount"
    rows = (43,)
    operations = ("analytics_overview", "analytics_organizations", "analytics_users")
    step: Literal[Step.answering] = Step.answering
    by: int = 1

    async def strike(self, call: Call, world: World) -> None:
        if call.reply is not None and isinstance(call.reply.body, dict):
            self._shift(call.reply.body)

    def _shift(self, body: Json) -> None:
        for name, value in body.items():
            if name in ("phone_rental_count", "phone_purchase_count"):
                body[name] = value + self.by
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    self._shift(inner)


def _listings(call: Call) -> list[tuple[Json, str]]:
    body = call.reply.body if call.reply else None
    return [(body, name) for name in _ROWS if name in body] if isinstance(body, dict) else []
