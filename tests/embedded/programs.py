"""Runs `program.py` as another process, so that a test can end it in every way there is."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import descendants

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Program:
    """A running one, and all that runs below it."""

    process: asyncio.subprocess.Process
    said: dict[str, Any]
    pids: list[int]

    @property
    def data_dir(self) -> Path:
        return Path(self.said["data_dir"])

    async def end_by(self, signal: int) -> None:
        self.process.send_signal(signal)
        await self.process.wait()


@asynccontextmanager
async def program(data_dir: Path | None = None, *, tmp: Path, through: Sequence[str] = ()) -> AsyncIterator[Program]:
    """Starts one and waits for what it says.

    Args: data_dir, none for a temporary one; tmp, where those are made; through, a command that runs the program
        under other conditions.
    """
    arguments = [str(data_dir)] if data_dir else []
    process = await asyncio.create_subprocess_exec(
        *through,
        *(sys.executable, "-m", "tests.embedded.program", *arguments),
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(tmp)},
    )
    try:
        assert process.stdout is not None
        said = json.loads(await process.stdout.readline())
        yield Program(process, said, descendants(process.pid))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
