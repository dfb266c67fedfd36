"""Our own processes as children: they log to our stderr and end when we do, however we end."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from service.cli.faults import CannotStart


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    process: asyncio.subprocess.Process

    async def begin(self, environment: Mapping[str, str]) -> None:
        """Tell it the rest of its environment, on which it begins its work. Raises: CannotStart."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(dict(environment)).encode() + b"\n")
            await self.process.stdin.drain()
        except ConnectionError:
            self.check()
            raise

    async def line(self) -> str:
        """The next line it prints. Raises: CannotStart where it ends instead."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise CannotStart(f"the {self.name} did not start; it says why above")
        return line.decode()

    def check(self) -> None:
        """Raises: CannotStart when it has ended."""
        if self.process.returncode is not None:
            raise CannotStart(f"the {self.name} has ended; it says why above")


@asynccontextmanager
async def child(
    name: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    patience: float,
    fds: Sequence[int] = (),
    read_stdout: bool = False,
) -> AsyncIterator[Child]:
    """`numbergate …` on standby for the length of the block, see `service.cli.standby`; then SIGTERM, and SIGKILL
    where it has not ended within `patience` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-P", "-m", "service.cli.standby"),
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE if read_stdout else sys.stderr.fileno(),
        pass_fds=tuple(fds),
        start_new_session=True,  # Ctrl-C is for the parent alone, which then stops its children in order.
    )
    try:
        yield Child(name, process)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(patience):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
