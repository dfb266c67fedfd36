"""Requests that stand still: held ones until a test lets them go, parked ones until their answer is fetched."""

import asyncio
from dataclasses import dataclass, field

from service.simulator import identifiers
from service.simulator.reply import Reply
from service.simulator.steps import Step


@dataclass(slots=True)
class Hold:
    """One request that waits at a step."""

    request_id: int
    operation: str
    step: Step
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Holds:
    """The requests that are being held, by request id."""

    def __init__(self) -> None:
        self._holds: dict[int, Hold] = {}

    async def wait(self, request_id: int, operation: str, step: Step) -> None:
        """Stand still until released."""
        hold = self._holds[request_id] = Hold(request_id, operation, step)
        try:
            await hold.released.wait()
        finally:
            self._holds.pop(request_id, None)

    def release(self, request_id: int | None = None) -> int:
        """Let one request go on, or all of them; answers how many."""
        chosen = [hold for hold in self._holds.values() if request_id in (None, hold.request_id)]
        for hold in chosen:
            hold.released.set()
        return len(chosen)

    def all(self) -> list[Hold]:
        """The requests that are being held."""
        return list(self._holds.values())


class Parked:
    """Answers promised by a 303. Each can be fetched once, as the host behind Teli documents it."""

    def __init__(self) -> None:
        self._answers: dict[str, asyncio.Future[Reply]] = {}

    def park(self, answer: asyncio.Future[Reply]) -> str:
        """Promise an answer; answers the id to fetch it by."""
        call_id = identifiers.hexadecimal("fc")
        self._answers[call_id] = answer
        return call_id

    async def fetch(self, call_id: str) -> Reply | None:
        """Wait for a promised answer. None when it was never promised or has been fetched."""
        answer = self._answers.pop(call_id, None)
        return None if answer is None else await asyncio.shield(answer)
