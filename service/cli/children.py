"""Our own processes as children: they log to our stderr and end when we do, however we end."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

PR_SET_PDEATHSIG = 1
PATIENCE = 40.0


class ChildEnded(Exception):
    """A child that should serve has ended; its own words are on stderr."""


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@asynccontextmanager
async def child(
    arguments: Sequence[str], environment: Mapping[str, str], *, fds: Sequence[int] = (), read_stdout: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m service …` for the length of the block; then SIGTERM, patience, and SIGKILL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        *arguments,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if read_stdout else sys.stderr.fileno(),
        pass_fds=tuple(fds),
        preexec_fn=_end_with_parent,
        start_new_session=True,  # Ctrl-C is for the parent alone, which then stops its children in order.
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
