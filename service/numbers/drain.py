"""Stopping: from the signal on nothing new is begun, and nobody is kept waiting longer than the grace."""

import asyncio
from collections.abc import Set as AbstractSet
from typing import Any

from service.kit.clock import monotonic

# How soon somebody who waits hears that the process is stopping.
NOTICED_WITHIN = 0.5


class Drain:
    """`grace`: seconds for which callers may still be kept waiting once it has begun."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._ends: float | None = None
        self._announced = False

    @property
    def announced(self) -> bool:
        """Whoever can is to go elsewhere; all is answered as ever."""
        return self._announced or self.begun

    def announce(self) -> None:
        """Called at the signal, where there is time before it begins."""
        self._announced = True

    @property
    def begun(self) -> bool:
        return self._ends is not None

    def begin(self) -> None:
        """Called at the signal, or once there was notice of it; again, it changes nothing."""
        if self._ends is None:
            self._ends = monotonic() + self._grace

    def left(self, until: float) -> float:
        """Seconds until a moment of the monotonic clock, or until the grace is over; never negative."""
        return max(0.0, min(until, self._ends if self._ends is not None else until) - monotonic())

    async def wait(self, tasks: AbstractSet["asyncio.Future[Any]"], *, until: float) -> None:
        """Wait until one of them is done or there is no time left. None of them is cancelled."""
        while True:
            left = self.left(until)
            done, _ = await asyncio.wait(tasks, timeout=min(left, NOTICED_WITHIN), return_when=asyncio.FIRST_COMPLETED)
            if done or not left:
                return
