"""How `up` and `demo` run: until they are done, or SIGTERM or Ctrl-C."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from service.cli.faults import BROKEN_OFF, CannotStart, failed
from service.embedded import DataDirectoryInUse, EmbeddedError

Work = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]


def run_until_signalled(work: Work) -> int:
    """Run `work`, which calls what it is given once it has done what it was started for. Returns the exit code:
    0 when it ended, or was told to end after that; 130 when it was broken off before.
    """
    try:
        return asyncio.run(_cancelled_by_signals(work))
    except DataDirectoryInUse as error:
        return failed(f"{error}: stop that one, or choose another folder with --data")
    except (CannotStart, EmbeddedError, OSError) as error:
        return failed(str(error))


async def _cancelled_by_signals(work: Work) -> int:
    done = signalled = False

    def told_done() -> None:
        nonlocal done
        done = True

    def cancel() -> None:
        nonlocal signalled
        if not signalled:  # A second Ctrl-C must not break off the tidying up.
            signalled = True
            task.cancel()

    task = asyncio.ensure_future(work(told_done))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not signalled:
            raise
        return 0 if done else BROKEN_OFF
    return 0
