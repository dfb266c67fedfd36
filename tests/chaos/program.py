"""The product's own API or worker, as a process that can be told where to die.

`python -m tests.chaos.program api|worker [--fd N] [POINT NTH]`: the process of `service serve --fd N` or of
`service worker`. With a point it kills itself, by SIGKILL, where it passes it for the nth time from its start on.
Without one it is the plain process, until it reads an order from its standard input:

    die POINT NTH    kill yourself at the nth passing from now
    count            count passings from now
    tell             one line of JSON on standard output: how often each point was passed since
"""

import argparse
import asyncio
import functools
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx

from service.cli.processes import run_api, run_worker
from service.numbers import steps
from tests.chaos.points import EXCHANGE, methods, seams

# What a dead process held is free after these seconds, not after two and five minutes.
LEASE = 3.0
SEND_WITHIN = 1.0
TURNS = 5
STREAM = httpx.AsyncClient.stream


class Fate:
    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self._point = ""
        self._left = 0
        self._watching = False

    def begin(self, point: str = "", nth: int = 0) -> None:
        """Count from now on, and die at the nth passing of a point, if one is named."""
        if not self._watching:
            watch(self)
            self._watching = True
        self.passed.clear()
        self._left, self._point = nth, point

    def at(self, point: str) -> None:
        self.passed[point] += 1
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def watch(fate: Fate) -> None:
    for seam in seams():
        for name, method in list(methods(seam)):
            setattr(seam, name, watched(method, f"{seam.__name__}.{name}", fate))
    httpx.AsyncClient.stream = functools.partialmethod(stream, fate=fate)  # type: ignore[method-assign, assignment]


def watched(method: Any, name: str, fate: Fate) -> Any:
    @functools.wraps(method)
    async def passing(*args: Any, **kwargs: Any) -> Any:
        fate.at(f"{name}:before")
        try:
            return await method(*args, **kwargs)
        finally:
            fate.at(f"{name}:after")

    return passing


def stream(
    client: httpx.AsyncClient, method: str, url: str, *, fate: Fate, extensions: Mapping[str, Any], **kwargs: Any
) -> Any:
    if method == "POST" and url.endswith("/create"):
        extensions = {"trace": followed(extensions["trace"], fate)}
    return STREAM(client, method, url, extensions=extensions, **kwargs)


def followed(trace: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    async def told(name: str, info: Mapping[str, Any]) -> None:
        await trace(name, info)
        if point := EXCHANGE.get(name):
            if point.endswith("_sent"):
                for _ in range(TURNS):  # The loop writes what it was given when it comes round.
                    await asyncio.sleep(0)
            fate.at(point)

    return told


def shorten_leases() -> None:
    steps.LEASE, steps.SEND_WITHIN = LEASE, SEND_WITHIN
    for seam in seams():
        module: Any = sys.modules[seam.__module__]
        if hasattr(module, "LOOK_LEASE"):
            module.LOOK_LEASE = timedelta(seconds=LEASE)


def listen(fate: Fate) -> None:
    """Take orders until who gives them is gone; then nobody needs this process any more."""
    for line in sys.stdin:
        match line.split():
            case ["die", point, nth]:
                fate.begin(point, int(nth))
                print("{}", flush=True)
            case ["count"]:
                fate.begin()
                print("{}", flush=True)
            case ["tell"]:
                print(json.dumps(fate.passed), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["api", "worker"])
    parser.add_argument("--fd", type=int)
    parser.add_argument("point", nargs="?")
    parser.add_argument("nth", nargs="?", type=int, default=1)
    given = parser.parse_args()
    fate = Fate()
    shorten_leases()
    if given.point:
        fate.begin(given.point, given.nth)
    threading.Thread(target=listen, args=(fate,), daemon=True).start()
    if given.role == "api":
        return run_api(host="127.0.0.1", port=0, fd=given.fd)
    return run_worker(host="127.0.0.1")


if __name__ == "__main__":
    sys.exit(main())
