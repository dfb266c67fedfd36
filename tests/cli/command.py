"""The command `numbergate` as a person or a program runs it: a process, its output, its exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.embedded.machine import alive, descendants
from tests.support.leaks import keep_secrets_of, watch_command

from .forks import Forks

COMMAND = (sys.executable, "-P", "-m", "service")
FORKS = Forks()
OURS = ("NUMBERGATE_", "TELI_", "DATABASE_URL", "REDIS_URL")


def environment(changes: Mapping[str, str] = {}) -> dict[str, str]:
    """This process's, without any setting of ours but those given, and without the profiles of whoever runs it."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return others | {"XDG_CONFIG_HOME": "/nonexistent"} | dict(changes)


def numbergate(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    keep_secrets_of(settings)
    words = [str(argument) for argument in arguments]
    ended = FORKS.run(words, environment(settings))
    watch_command(words, ended.stdout, ended.stderr)
    return ended


class Running:
    """A command that serves until it is told to stop. What it says on stderr goes to a file, for it is read later."""

    def __init__(self, folder: Path, *arguments: str | Path, **settings: str) -> None:
        keep_secrets_of(settings)
        self._arguments = [str(argument) for argument in arguments]
        self._stderr = folder / f"stderr-{time.monotonic_ns()}"
        with self._stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [*COMMAND, *self._arguments],
                env=environment(settings),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def line(self) -> dict[str, Any]:
        """The JSON line it prints when it is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.stderr()
        told: dict[str, Any] = json.loads(line)
        return told

    def stderr(self) -> str:
        return self._stderr.read_text()

    def until_told(self, words: str, within: float = 30) -> None:
        """Wait until it has said something on stderr."""
        deadline = time.monotonic() + within
        while words not in self.stderr():
            assert time.monotonic() < deadline, self.stderr()
            time.sleep(0.01)

    def family(self) -> list[int]:
        """Its process and all that came from it."""
        return [self.process.pid, *descendants(self.process.pid)]

    def end(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Signal it; its exit code, and what was left to read on stdout. Nothing of it may run any more."""
        family = self.family()
        self.process.send_signal(by)
        rest, _ = self.process.communicate(timeout=60)
        watch_command(self._arguments, rest, self.stderr())
        deadline = time.monotonic() + 10
        while left := [pid for pid in family if alive(pid)]:
            assert time.monotonic() < deadline, f"still running: {left}"
            time.sleep(0.02)
        return self.process.returncode, rest
