"""Waiting in somebody's name, for no longer than it is his."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.kit.clock import monotonic

LOOKED_EVERY = 0.25
Who = TypeVar("Who")


async def wait_as(who: Who, again: Callable[[], Awaitable[Who]], seconds: float) -> Who:
    """Wait. `again`: who it is by now; raises where it is nobody any more, and so does this. Returns the latest."""
    until = monotonic() + seconds
    while (left := until - monotonic()) > 0:
        await asyncio.sleep(min(left, LOOKED_EVERY))
        who = await again()
    return who
