"""The life of a server in a data directory: start, stop, crash, start again."""

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Literal, Self

from service.embedded import ports
from service.embedded.errors import EngineFailed
from service.embedded.files import create_private
from service.embedded.identity import Identity
from service.embedded.lock import DirectoryLock
from service.embedded.processes import Mark
from service.embedded.spawn import spawn

StopMode = Literal["fast", "immediate"]

_START_WITHIN = 120.0  # Seconds: recovery after a crash under load takes its time.
_STOP_WITHIN = 30.0
_PAUSE = 0.005


class Engine(ABC):
    """An async context manager that runs one server, on 127.0.0.1, for as long as it is open.

    What a crash leaves is put in order by the next start: by `start`, or by the next process that opens the data
    directory. All files lie in `home`, a folder in the data directory, so that engines of several kinds may share one.
    """

    kind: ClassVar[str]
    """The engine's name in messages, and its folder's."""

    stop_signals: ClassVar[Mapping[StopMode, signal.Signals]]
    """`fast` is in order; `immediate` is at once, and is what the server gets when this process dies."""

    host: ClassVar[str] = ports.HOST

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        """Args: data_dir, made if it is missing; port, 0 for any free one, which restarts then keep."""
        self.home = data_dir.absolute() / self.kind
        self._port = port
        self._lock = DirectoryLock(self.home)
        self._mark: Mark | None = None
        self._identity = Identity.ours()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def port(self) -> int:
        """Where the server listens; before it has started, what was asked for."""
        return self._port

    @property
    def pid(self) -> int:
        """The server's process; after a stop or a crash, the one that was."""
        if self._process is None:
            raise RuntimeError(f"{self.kind} has not been started")
        return self._process.pid

    async def __aenter__(self) -> Self:
        """Raises: DataDirectoryInUse, EngineFailed, EngineMissing; then nothing runs."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            self._mark = Mark.of(self.home)
            await self.start()
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.stop()
        finally:
            self._close()

    async def start(self) -> None:
        """Starts the server after a stop or a crash. One that still runs is ended first, at once.

        Raises: EngineFailed; then nothing runs.
        """
        await self._end()
        await self._prepare()
        for port in ports.candidates(self._port):
            try:
                await self._start_on(port)
            except _AddressTaken:
                continue
            self._port = port
            return
        raise EngineFailed(f"{self.kind} cannot listen: somebody else has port {port}", log=self._log_tail())

    async def stop(self, mode: StopMode = "fast") -> None:
        """Stops the server and returns when nothing of it runs. Does nothing when it is stopped already."""
        try:
            if self._process is not None and self._process.returncode is None:
                self._process.send_signal(self.stop_signals[mode])
                await asyncio.wait_for(self._process.wait(), _STOP_WITHIN)
        except (ProcessLookupError, TimeoutError):
            pass  # It was gone already, or had its time.
        finally:
            await self._end()

    async def kill(self) -> None:
        """Ends the server as a crash would (SIGKILL), and leaves behind what a crash leaves."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def restart(self, mode: StopMode = "fast") -> None:
        await self.stop(mode)
        await self.start()

    @property
    def mark(self) -> Mark:
        """What its processes carry in their command lines."""
        if self._mark is None:
            raise RuntimeError(f"{self.kind} is not open: use it with `async with`")
        return self._mark

    @abstractmethod
    async def _prepare(self) -> None:
        """Makes what the server needs before it can start. Nothing of an earlier server runs any more."""

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """Runs the server in the foreground. Carries the mark, and no secret."""

    @abstractmethod
    def _ready(self) -> bool:
        """Whether the process just started accepts clients."""

    @abstractmethod
    def _tidy(self) -> None:
        """Removes what a killed server leaves. Nothing of it runs any more."""

    async def _start_on(self, port: int) -> None:
        try:
            with self._new_log() as log:
                self._process = await spawn(
                    self._command(port), identity=self._identity, dies_by=self.stop_signals["immediate"], log=log
                )
            await self._until_ready(self._process)
        except BaseException:
            await self._end()
            raise

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + _START_WITHIN
        while not self._ready():
            if process.returncode is not None:
                log = self._log_tail()
                if "Address already in use" in log:
                    raise _AddressTaken
                raise EngineFailed(f"{self.kind} ended with {process.returncode} as it started", log=log)
            if loop.time() > patience:
                raise EngineFailed(f"{self.kind} was not ready after {_START_WITHIN:.0f} s", log=self._log_tail())
            await asyncio.sleep(_PAUSE)

    async def _end(self) -> None:
        """Ends whatever runs on our data directory, whoever started it."""
        at_once = self.stop_signals["immediate"]
        if self._process is not None and self._process.returncode is None:
            # For an instant, as it turns into its program, a process has no command line, and so no mark.
            with suppress(ProcessLookupError):
                self._process.send_signal(at_once)
        await self.mark.end(by=at_once)
        if self._process is not None:
            await self._process.wait()
        self._tidy()

    def _close(self) -> None:
        self._mark = None
        self._lock.release()

    @property
    def _log(self) -> Path:
        return self.home / "log"

    def _new_log(self) -> IO[bytes]:
        """A log for one start; the one before is kept, for it may tell of a crash."""
        if self._log.exists():
            self._log.replace(self.home / "log.previous")
        return create_private(self._log)

    def _log_tail(self, lines: int = 20) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


class _AddressTaken(Exception):
    """Somebody was quicker to the port."""
