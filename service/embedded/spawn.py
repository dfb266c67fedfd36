"""Child processes that end when their parent does."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from service.embedded.errors import EngineFailed
from service.embedded.identity import Disguise, Identity, acceptable_to_postgres

_LAUNCHER = Path(__file__).with_name("launcher.py")

# Nothing of ours: our environment may hold secrets, and PG* variables would change what PostgreSQL does.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


async def spawn(
    command: Sequence[str], *, identity: Identity, dies_by: signal.Signals, log: IO[bytes] | int
) -> asyncio.subprocess.Process:
    """Starts a program that the kernel signals with `dies_by` when the calling thread ends.

    The thread, not the process: run the event loop in one that lasts. Elsewhere than on Linux an orphan lives on
    until the next start on its data directory ends it.
    """
    who = (identity.disguise, str(identity.uid), str(identity.gid))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S"),  # The launcher needs no site packages, and starts in half the time without.
        *(str(_LAUNCHER), str(os.getpid()), str(int(dies_by)), *who),
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=_ENVIRONMENT,
        cwd="/",  # Ours may be a folder that the child may not enter.
        start_new_session=True,  # Ctrl-C is for the parent alone, which then stops its servers in order.
    )


async def run(command: Sequence[str], *, identity: Identity, dies_by: signal.Signals, log: IO[bytes] | int) -> int:
    """Runs a program to its end, which is by `dies_by` when we are cancelled. Returns its exit status."""
    process = await spawn(command, identity=identity, dies_by=dies_by, log=log)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.send_signal(dies_by)
            await process.wait()


async def find_identity() -> Identity:
    """One that PostgreSQL accepts: our own; or else ours in a user namespace; or else the user nobody's.

    Raises: EngineFailed when there is none.
    """
    if acceptable_to_postgres():
        return Identity.ours()
    try:
        hidden, other = Identity.nobody(Disguise.namespace), Identity.nobody(Disguise.other)
    except KeyError:
        raise EngineFailed("PostgreSQL refuses this user, and there is no user nobody to run it as", log="") from None
    refused = await run((), identity=hidden, dies_by=signal.SIGKILL, log=asyncio.subprocess.DEVNULL)
    return other if refused else hidden  # Containers commonly refuse namespaces.
