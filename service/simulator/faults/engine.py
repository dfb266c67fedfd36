"""Which faults are armed, and whom they strike."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from service.simulator.call import Call
from service.simulator.faults.fault import Fault
from service.simulator.state.world import World
from service.simulator.steps import Step


@dataclass(slots=True, kw_only=True)
class Armed:
    """A fault lying in wait: for so many shots, or by chance from a fixed seed, for the requests that match.

    `times` None is without end. `match` names fields of the request and the text each must have.
    """

    id: str
    fault: Fault
    times: int | None = 1
    probability: float = 1.0
    seed: int | None = None
    match: dict[str, str] = field(default_factory=dict)
    struck: int = 0
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a seed is there to be repeated

    @property
    def spent(self) -> bool:
        """Whether it has no shot left."""
        return self.times is not None and self.struck >= self.times

    def fires(self, call: Call) -> bool:
        """Whether it strikes this call; if so, a shot is gone."""
        if self.spent or any(str(call.value(name)) != wanted for name, wanted in self.match.items()):
            return False
        if self._chance.random() >= self.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """All armed faults, found by the operation and step they wait for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._armed: dict[str, Armed] = {}
        self._waiting: defaultdict[tuple[str, Step], list[Armed]] = defaultdict(list)
        self._last_id = 0

    def arm(self, fault: Fault, **terms: Any) -> Armed:
        """Arm a fault; the terms are `times`, `probability`, `seed` and `match` of `Armed`."""
        self._last_id += 1
        armed = Armed(id=f"fault_{self._last_id}", fault=fault, **terms)
        self._armed[armed.id] = armed
        self._waiting[fault.operation, fault.step].append(armed)
        return armed

    def disarm(self, fault_id: str) -> Armed | None:
        """Take one away; None when there is none of that id."""
        armed = self._armed.pop(fault_id, None)
        if armed is not None:
            self._stop(armed)
        return armed

    def disarm_all(self) -> None:
        """Take all away."""
        self._armed.clear()
        self._waiting.clear()

    def find(self, fault_id: str) -> Armed | None:
        """One armed fault, spent or not."""
        return self._armed.get(fault_id)

    def all(self) -> list[Armed]:
        """Every armed fault, the spent ones too, so that a test can see how often each struck."""
        return list(self._armed.values())

    async def strike(self, call: Call, step: Step) -> None:
        """Let every fault that waits for this moment strike, in the order in which they were armed."""
        for armed in tuple(self._waiting.get((call.operation.name, step), ())):
            if armed.fires(call):
                if armed.spent:
                    self._stop(armed)
                await armed.fault.strike(call, self._world)

    def _stop(self, armed: Armed) -> None:
        waiting = self._waiting[armed.fault.operation, armed.fault.step]
        if armed in waiting:
            waiting.remove(armed)
