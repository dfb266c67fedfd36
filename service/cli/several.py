"""`serve --workers N`: so many processes on one socket, that share nothing but Postgres and Redis."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

from service.cli.children import Child, child


async def run_several(fd: int, *, workers: int, metrics_port: int | None, patience: float) -> int:
    """Until SIGTERM or SIGINT, or until one of them ends by itself, as one does that cannot start: its exit code.

    One that is killed is started again. Metrics are each process's own, on `metrics_port` and the ports after it.
    `patience`: seconds that they have to end.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        children = []
        for place in range(workers):
            command = ["serve", "--fd", str(fd)]
            started = child(f"API process {place + 1}", command, os.environ, patience=patience, fds=(fd,))
            one = await stack.enter_async_context(started)
            children.append(one)
            port = str(metrics_port + place) if metrics_port else os.environ.get("NUMBERGATE_METRICS_PORT", "")
            await one.begin({"NUMBERGATE_METRICS_PORT": port})
        stopped = asyncio.create_task(stop.wait())
        kept = [asyncio.create_task(_keep(one)) for one in children]
        await asyncio.wait({stopped, *kept}, return_when=asyncio.FIRST_COMPLETED)
        codes = [task.result() for task in kept if task.done()]
        for task in (stopped, *kept):
            task.cancel()
        # At once, so that none is served by some while it waits for others.
        for one in children:
            if one.process.returncode is None:
                one.process.terminate()
    return max(codes, default=0)


async def _keep(one: Child) -> int:
    """Its exit code, once it ends by itself."""
    while (code := await one.process.wait()) < 0:
        await one.again(code)
    return code
