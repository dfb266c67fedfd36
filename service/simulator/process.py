"""The process: two sockets, one line on stdout when ready, and a quick end on SIGTERM or SIGINT."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import orjson
from aiohttp import web

from service.simulator.control.app import Control
from service.simulator.faults.engine import Faults
from service.simulator.listener import HOST, Listener, bound
from service.simulator.options import Options
from service.simulator.state.world import World
from service.simulator.teli import Teli
from service.simulator.waiting import Holds

# Connections that are busy when the process is told to end; their work has been dropped by then.
_LAST_WORDS_SECONDS = 0.5


class CannotStart(Exception):
    """What an option names cannot be had; the text says which and why."""


def run(options: Options) -> int:
    """Serve until SIGTERM or SIGINT; answers the exit code, 0.

    Prints one line of JSON when ready, with `url` and `control_url`. Raises CannotStart.
    """
    asyncio.run(_serve(options))
    return 0


async def _serve(options: Options) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)

    async with AsyncExitStack() as stack:
        with _wanted(f"--state {options.state}"):
            world = World(options)
        stack.callback(world.close)
        holds, faults = Holds(), Faults(world)
        teli = Teli(world, faults, holds)

        listener = Listener(await _started(stack, teli.app()), teli, options.port)
        with _wanted(f"--port {options.port}"):
            await listener.open()
        control = Control(world, faults, holds, teli, listener)
        with _wanted(f"--control-port {options.control_port}"):
            control_socket = bound(options.control_port)
        await web.SockSite(await _started(stack, control.app()), control_socket).start()

        ready = {
            "url": f"http://{HOST}:{listener.port}",
            "control_url": f"http://{HOST}:{control_socket.getsockname()[1]}/_control",
        }
        print(orjson.dumps(ready).decode(), flush=True)
        await ended.wait()


@contextmanager
def _wanted(what: str) -> Iterator[None]:
    """Raises CannotStart where it cannot be had."""
    try:
        yield
    except sqlite3.Error as error:
        raise CannotStart(f"{what}: {error}") from None
    except OSError as error:
        raise CannotStart(f"{what}: {os.strerror(error.errno or 0)}") from None


async def _started(stack: AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_LAST_WORDS_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner
