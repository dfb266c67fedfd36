"""An operator at a terminal, before a gateway that serves."""

import asyncio
import os
import pty
import re
import subprocess
from dataclasses import dataclass

from .command import COMMAND, environment, numbergate

Ended = subprocess.CompletedProcess[str]


@dataclass
class Desk:
    """An operator's terminal, `columns` wide."""

    settings: dict[str, str]

    async def run(self, *arguments: str, columns: int = 120, **settings: str) -> Ended:
        # In a thread: the gateway serves from this process.
        return await asyncio.to_thread(numbergate, *arguments, **{**self.settings, "COLUMNS": str(columns), **settings})

    async def done(self, *arguments: str, **kwargs: int) -> str:
        ended = await self.run(*arguments, **kwargs)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr + ended.stdout
        return ended.stdout

    async def at_a_terminal(self, *arguments: str, columns: int) -> str:
        """What a terminal so wide shows, without its colours."""
        return await asyncio.to_thread(self._at_a_terminal, arguments, columns)

    def _at_a_terminal(self, arguments: tuple[str, ...], columns: int) -> str:
        ours, theirs = pty.openpty()
        settings = {**self.settings, "COLUMNS": str(columns), "TERM": "xterm"}
        with subprocess.Popen([*COMMAND, *arguments], env=environment(settings), stdout=theirs) as process:
            os.close(theirs)
            shown = b""
            try:
                while piece := os.read(ours, 65_536):
                    shown += piece
            except OSError:  # How Linux tells that nobody holds the other end any more.
                pass
        os.close(ours)
        assert process.returncode == 0
        return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")

    async def answering(self, said: str, *arguments: str) -> Ended:
        """What becomes of a command whose question is answered so, at a terminal."""
        return await asyncio.to_thread(self._answering, said, arguments)

    def _answering(self, said: str, arguments: tuple[str, ...]) -> Ended:
        ours, theirs = pty.openpty()
        try:
            # And then the end of the input, as Ctrl-D is.
            os.write(ours, said.encode() + b"\x04\x04")
            return subprocess.run(
                [*COMMAND, *arguments],
                env=environment(self.settings),
                stdin=theirs,
                capture_output=True,
                text=True,
                timeout=60,
            )
        finally:
            os.close(theirs)
            os.close(ours)

    async def piped(self, said: str, *arguments: str, **settings: str) -> Ended:
        """What becomes of a command that reads this from a pipe, and has no terminal."""
        return await asyncio.to_thread(
            subprocess.run,
            [*COMMAND, *arguments],
            env=environment({**self.settings, **settings}),
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
        )
