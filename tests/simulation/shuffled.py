"""A program full of races, and the trace it leaves: run with a seed, it prints a hash that the seed alone decides."""

import asyncio
import sys
from contextlib import closing
from hashlib import sha256
from random import Random

from tests.simulation.loop import PROCESS, Process, SimulatedLoop


def trace_of(seed: str) -> list[str]:
    """One line for each step, and for each thing the program saw."""
    trace: list[str] = []
    with closing(SimulatedLoop(Random(seed), start=1_000.0, watch=trace.append)) as loop:
        loop.run_until_complete(races(Random(f"{seed} program"), loop, trace))
    assert loop.unhandled == []
    return trace


def digest(seed: str) -> str:
    return sha256("\n".join(trace_of(seed)).encode()).hexdigest()


async def races(chance: Random, loop: SimulatedLoop, trace: list[str]) -> None:
    """Sets of tasks and futures, waited for, cancelled and listed; processes killed and frozen meanwhile."""
    processes = [loop.process(name) for name in ("one", "two", "three")]
    servers = [process.start(serve(process.name, chance, trace)) for process in processes]
    trouble = asyncio.create_task(harm(processes, chance))
    for _ in range(3):
        waiting = {loop.create_future() for _ in range(8)}
        for future in waiting:
            loop.call_later(chance.random(), future.cancel)
        done, _ = await asyncio.wait(waiting, timeout=0.5)
        trace.append(f"{len(done)} of {len(waiting)}")
    await trouble
    for server in servers:
        server.cancel()


async def serve(name: str, chance: Random, trace: list[str]) -> None:
    while True:
        sleepers = {asyncio.create_task(asyncio.sleep(chance.randrange(4) / 10, result=n)) for n in range(12)}
        done, pending = await asyncio.wait(sleepers, return_when=asyncio.FIRST_COMPLETED)
        trace.append(f"{name} done {[task.result() for task in done]}")
        for task in pending:
            task.cancel()
        trace.append(f"{name} gathered {len(await asyncio.gather(*pending, return_exceptions=True))}")
        try:
            async with asyncio.timeout(chance.random()), asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(asyncio.sleep(chance.random()))
        except TimeoutError:
            trace.append(f"{name} late")
        assert (process := PROCESS.get()) is not None and process.name == name


async def harm(processes: list[Process], chance: Random) -> None:
    for _ in range(4):
        await asyncio.sleep(chance.random())
        processes[0].freeze(chance.random())
    processes[1].kill()


if __name__ == "__main__":
    print(digest(sys.argv[1]))
