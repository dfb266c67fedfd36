"""`python -m tests.bench.paths.load`: so many callers, each with one request under way; told on stdout as JSON.

On stdin is what to do: `port`; `seconds`; `connections`, a list of one list of requests each, which it sends one after
the other and then from the start. `{n}` in a request is another number each time. A process of its own, in as little
CPU as Python can do it in, for it shares the machine with what it measures.
"""

import asyncio
import gc
import re
import sys
import time
from collections import Counter
from itertools import count
from typing import Any, cast

import orjson
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"


class Caller(asyncio.Protocol):
    def __init__(self, requests: list[bytes], numbers: "count[int]", until: float) -> None:
        self._requests = requests
        self._numbers = numbers
        self._until = until
        self._next = 0
        self.took: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.bytes = 0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        request = self._requests[self._next % len(self._requests)]
        self._next += 1
        self._heard = b""
        self._whole: int | None = None
        request = request.replace(b"{n}", b"%d" % next(self._numbers)) if b"{n}" in request else request
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._heard = self._heard + data if self._heard else data
        if self._whole is None:
            end = self._heard.find(b"\r\n\r\n")
            if end < 0:
                return
            announced = LENGTH.search(self._heard, 0, end + 2)
            self._whole = end + 4 + int(announced[1]) if announced else 0
        if len(self._heard) < self._whole or (self._whole == 0 and not self._heard.endswith(LAST_CHUNK)):
            return
        now = time.perf_counter()
        self.took.append(now - self._began)
        self.statuses[int(self._heard[9:12])] += 1
        self.bytes += len(self._heard)
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def load(port: int, seconds: float, connections: list[list[str]], first: int) -> dict[str, Any]:
    numbers, began = count(first), time.perf_counter()
    callers = [Caller([one.encode() for one in requests], numbers, began + seconds) for requests in connections]
    loop = asyncio.get_running_loop()
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(caller.ended for caller in callers))
    took = sorted(taken for caller in callers for taken in caller.took)
    statuses = sum((caller.statuses for caller in callers), Counter())
    return {
        "requests": len(took),
        "a_second": len(took) / (time.perf_counter() - began),
        "p50_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[min(len(took) - 1, len(took) * 99 // 100)],
        "statuses": {str(status): how_often for status, how_often in statuses.items()},
        "bytes": sum(caller.bytes for caller in callers),
    }


async def main() -> None:
    asked = orjson.loads(sys.stdin.buffer.read())
    gc.disable()
    sys.stdout.buffer.write(orjson.dumps(await load(**asked)))


if __name__ == "__main__":
    uvloop.run(main())
