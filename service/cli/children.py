"""Our own processes as children: they log to our stderr and end when we do, however we end."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from service.cli.faults import CannotStart

RESTART_AFTER = 0.5


@dataclass(slots=True)
class Child:
    """A process that `start` starts on standby. `environment` is what it was told to begin with."""

    name: str
    start: Callable[[], Awaitable[asyncio.subprocess.Process]]
    process: asyncio.subprocess.Process
    environment: dict[str, str] = field(default_factory=dict)

    async def begin(self, environment: Mapping[str, str]) -> None:
        """Tell it the rest of its environment, on which it begins its work. Raises: CannotStart."""
        self.environment = dict(environment)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(self.environment).encode() + b"\n")
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

    async def keep(self) -> None:
        """Start it again whenever it ends, a moment later, until cancelled."""
        while True:
            await self.again(await self.process.wait())

    async def again(self, code: int) -> None:
        """Start it again, a moment after it ended with this code."""
        print(f"numbergate: the {self.name} ended ({code}) and is started again", file=sys.stderr, flush=True)
        await asyncio.sleep(RESTART_AFTER)
        self.process = await self.start()
        with suppress(CannotStart):
            await self.begin(self.environment)


def patience_of_api(answer_within: float) -> float:
    """Seconds that an API has to end: it answers whom it has, and lets purchases under way finish."""
    return 2 * answer_within + 20


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

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "service.cli.standby"),
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if read_stdout else sys.stderr.fileno(),
            pass_fds=tuple(fds),
            start_new_session=True,  # Ctrl-C is for the parent alone, which then stops its children in order.
        )

    started = Child(name, start, await start())
    try:
        yield started
    finally:
        await _end(started.process, patience)


@asynccontextmanager
async def kept(*children: Child) -> AsyncIterator[None]:
    """For the length of the block, start each of them again should it end."""
    keepers = [asyncio.create_task(one.keep()) for one in children]
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


async def _end(process: asyncio.subprocess.Process, patience: float) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(patience):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
