"""A sequence of questions under way: what was asked so far, and what stands to be answered for."""

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from service.kit.clock import utc_now
from service.numbers.models import Number, Step
from service.teli.listing import Row
from tests.fakes.both import Both
from tests.fakes.world import World, alter

PAUSES = (0.01, 0.5, 1.5, 3.0, 4.0, 40.0, 61.0, 130.0, 400.0, 3600.0)


@dataclass
class Play:
    """`intents`: what admissions were asked for. `claimed`: steps, as the real store gave each and as the twin did."""

    both: Both
    intents: list[dict[str, Any]] = field(default_factory=list)
    claimed: list[tuple[Step, Step]] = field(default_factory=list)
    count: int = 0

    @property
    def world(self) -> World:
        return self.both.world

    async def ask(self, name: str, chance: Random) -> None:
        await getattr(self, name)(chance)

    def new_uuid(self) -> UUID:
        self.count += 1
        return UUID(int=(1 << 100) + self.count)

    async def wait(self, chance: Random) -> None:
        self.both.still.pass_time(chance.choice(PAUSES))


def row_of(row_id: str, phone_number: str, user_id: str | None, nickname: str | None) -> Row:
    return Row(row_id, phone_number, None, user_id, nickname, None, None, None, None)


def give_up(world: World, number: Number) -> None:
    """As an operator says of a ghost that it is gone."""
    alter(number, state="missing")
    world.count_held(number, -1)


def is_unresolved(world: World, number: Number) -> bool:
    """Whether its release is, so that an operator may say what became of it."""
    return number.state == "releasing" and any(
        step.kind == "release" and step.state == "unresolved" for step in world.steps_of[number.id]
    )


def keep_after_all(world: World, number: Number) -> None:
    """As an operator says of one whose release is unresolved that it is still held."""
    for step in world.steps_of[number.id]:
        if step.kind == "release" and step.state == "unresolved":
            alter(step, state="failed", answer={"status": 409, "body": "held"})
    alter(number, state="active", still_ours_at=utc_now())
