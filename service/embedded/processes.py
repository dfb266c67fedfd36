"""The processes of one directory, found by a mark in their command lines.

A pid file may be missing, and the pid in it may meanwhile be somebody else's. A mark is there from exec to exit, and
PostgreSQL and Valkey repeat it in the titles of the processes they fork.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_GRACE = 5.0  # Seconds, before what ignores a signal is killed.
_PAUSE = 0.005


@dataclass(frozen=True)
class Mark:
    """Names a directory among all on this machine: a copy, or the same path in a container, has another mark."""

    text: str

    @classmethod
    def of(cls, directory: Path) -> "Mark":
        stat = directory.stat()
        return cls(f"numbergate-{stat.st_dev:x}-{stat.st_ino:x}.")

    def living(self) -> list[int]:
        """Pids of the processes that carry the mark. A zombie has no command line, so is none of them."""
        return [pid for pid, command in _command_lines() if self.text in command and _ours(pid)]

    async def end(self, *, by: signal.Signals) -> None:
        """Signals every process that carries the mark, kills those that stay, and returns when none is left."""
        for _ in self._ending(by):
            await asyncio.sleep(_PAUSE)

    def end_blocking(self, *, by: signal.Signals) -> None:
        for _ in self._ending(by):
            time.sleep(_PAUSE)

    def _ending(self, by: signal.Signals) -> Iterator[None]:
        """Yields whenever it is time to wait a moment."""
        patience = time.monotonic() + _GRACE
        signalled: set[int] = set()
        while pids := self.living():
            for pid in pids:
                with suppress(ProcessLookupError):
                    if time.monotonic() > patience:
                        os.kill(pid, signal.SIGKILL)
                    elif pid not in signalled:  # Once: a second signal may interrupt an orderly exit.
                        os.kill(pid, by)
                        signalled.add(pid)
            yield


def runs(pid: int, what: str) -> bool:
    """Whether the process lives and `what` is in its command line."""
    return any(pid == other and what in command for other, command in _command_lines())


def _ours(pid: int) -> bool:
    """Whether we may signal it: anybody can write a mark into a command line."""
    try:
        os.kill(pid, 0)
    except (PermissionError, ProcessLookupError):
        return False
    return pid != os.getpid()


def _command_lines() -> Iterator[tuple[int, str]]:
    return _from_proc() if _PROC.joinpath("self/cmdline").exists() else _from_ps()


def _from_proc() -> Iterator[tuple[int, str]]:
    for name in filter(str.isdecimal, os.listdir(_PROC)):
        # Some end while we look; what is hidden from us is not ours.
        with suppress(OSError):
            raw = _PROC.joinpath(name, "cmdline").read_bytes()
            yield int(name), raw.replace(b"\0", b" ").decode(errors="replace")


def _from_ps() -> Iterator[tuple[int, str]]:
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        yield int(pid), command
