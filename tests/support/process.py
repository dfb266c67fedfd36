"""`python -m service …` as a process of its own, to be killed."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx


class Serving:
    """The API, listening on a socket that outlives it, so that the next one has the same address."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, *options: str) -> None:
        fd = self._socket.fileno()
        self._process = run(["serve", "--fd", str(fd), *options], self._environment, fds=(fd,))
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=self.url) as http:
            while True:
                try:
                    if (await http.get("/readyz", timeout=1)).status_code == 200:
                        return
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def terminate(self, *, within: float = 15) -> int:
        """SIGTERM; answers the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, within)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._socket.close()


class Worker:
    """The worker, for the length of a block."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __enter__(self) -> Self:
        self._process = run(["worker"], self._environment)
        self.pid = self._process.pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run(arguments: list[str], environment: Mapping[str, str], *, fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "service", *arguments], env={**os.environ, **environment}, pass_fds=fds
    )
