"""Looking names up, each in a thread, for the system's look-up blocks: names that hang have a part of the threads.

A look-up may take half a minute, long after whoever asked has given up, and holds its thread all the while. So names
that hung lately share a few threads, names of which nothing is known yet others, and those that answer have the rest:
however many names hang, the others are looked up. One name is looked up once at a time, whoever asks.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from service.kit.clock import monotonic

Kind = Literal["answers", "new", "hangs"]
LookUp = Callable[[str, int], Sequence[str]]
THREADS: Mapping[Kind, int] = {"answers": 16, "new": 8, "hangs": 8}
# Seconds that no name lets us wait for an answer but one that hangs.
HANGS = 2.0
# Names of which it is known; of the one asked for longest ago it is forgotten first.
MOST_KNOWN = 10_000


def by_system(hostname: str, port: int) -> Sequence[str]:
    """Raises: OSError, UnicodeError."""
    return [str(place[0]) for *_, place in socket.getaddrinfo(hostname, port, type=socket.SOCK_STREAM)]


class Resolving:
    """`look_up`: blocks, as the system's does."""

    def __init__(self, look_up: LookUp = by_system) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(sum(THREADS.values()), thread_name_prefix="resolver")
        self._room = {kind: asyncio.Semaphore(threads) for kind, threads in THREADS.items()}
        self._kinds: OrderedDict[str, Kind] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def __call__(self, hostname: str, port: int) -> Sequence[str]:
        """Who asks may give up; the look-up goes on, and so holds its room. Raises: OSError, UnicodeError."""
        task = self._under_way.get(hostname)
        if task is None:
            task = self._under_way[hostname] = asyncio.create_task(self._resolve(hostname, port))
            task.add_done_callback(lambda done: self._ended(hostname, done))
        return await asyncio.shield(task)

    async def _resolve(self, hostname: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        async with self._room[self._kinds.get(hostname, "new")]:
            began, hangs = monotonic(), loop.call_later(HANGS, self._note, hostname, "hangs")
            try:
                return await loop.run_in_executor(self._threads, self._look_up, hostname, port)
            finally:
                hangs.cancel()
                # That there is no such name is an answer too.
                self._note(hostname, "answers" if monotonic() - began < HANGS else "hangs")

    def _note(self, hostname: str, kind: Kind) -> None:
        self._kinds[hostname] = kind
        self._kinds.move_to_end(hostname)
        if len(self._kinds) > MOST_KNOWN:
            self._kinds.popitem(last=False)

    def _ended(self, hostname: str, task: "asyncio.Task[Sequence[str]]") -> None:
        del self._under_way[hostname]
        if not task.cancelled():
            task.exception()  # Seen, though whoever asked may have given up.
