"""The API and the worker as processes of their own, each with a wire of its own to Postgres."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

import httpx

from tests.chaos.points import QUESTIONS
from tests.support.wire import Wire

Role = Literal["api", "worker"]


class Child:
    """`environment` without DATABASE_URL, which leads over the wire to `database_url`.

    `shared`: the socket that several listen on.
    """

    def __init__(
        self, role: Role, environment: Mapping[str, str], database_url: str, shared: socket.socket | None = None
    ) -> None:
        self.role = role
        self._environment = dict(environment)
        self.wire = Wire(database_url)
        self.wire.on_question = self._hear
        self._heard: dict[str, int] = {}
        self._dies_at = ("", 0)
        self._socket = shared.dup() if shared else socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def open(self, *dies_at: str) -> None:
        await self.wire.__aenter__()
        await self.start(*dies_at)

    async def start(self, *dies_at: str) -> None:
        """A plain process; with a point and a number, one that dies there. It need not be ready when this returns."""
        self._heard, self._dies_at = {}, ("", 0)
        fds = (self._socket.fileno(),) if self.role == "api" else ()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.chaos.program", self.role, *(f"--fd={fd}" for fd in fds), *dies_at),
            env={**os.environ, **self._environment, "DATABASE_URL": self.wire.url},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=fds,
        )

    async def again(self, **environment: str) -> None:
        """Killed where it lives, and started anew, with this besides in its environment."""
        if not self.dead:
            self.process.kill()
            await self.process.wait()
        kept, self._environment = self._environment, self._environment | environment
        try:
            await self.start()
        finally:
            self._environment = kept

    async def until_ready(self) -> None:
        async with asyncio.timeout(120), httpx.AsyncClient(base_url=self.url, verify=False, trust_env=False) as http:
            while True:
                with suppress(httpx.HTTPError):
                    if (await http.get("/readyz", timeout=5)).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def dies_at(self, point: str, nth: int) -> None:
        if point in QUESTIONS:
            await self.counts()
            self._dies_at = (point, nth)
        else:
            await self._order(f"die {point} {nth}")

    async def counts(self) -> None:
        """Passings are counted from now on, and none of them is the last."""
        self._heard, self._dies_at = {}, ("", 0)
        await self._order("count")

    async def passed(self) -> dict[str, int]:
        """How often each point was passed since."""
        told: dict[str, int] = await self._order("tell")
        return told | self._heard

    async def disarmed(self) -> bool:
        """It dies nowhere any more; False where it was too late for that."""
        try:
            await self.counts()
        except (json.JSONDecodeError, OSError):
            return False
        return True

    async def _order(self, words: str) -> dict[str, int]:
        """Raises: JSONDecodeError, OSError, where the process is dead."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{words}\n".encode())
        said: dict[str, int] = json.loads(await self.process.stdout.readline())
        return said

    def _hear(self, question: bytes) -> None:
        for point, words in QUESTIONS.items():
            if words in question:
                self._heard[point] = self._heard.get(point, 0) + 1
                if self._dies_at == (point, self._heard[point]):
                    self.process.send_signal(signal.SIGKILL)

    @property
    def dead(self) -> bool:
        return self.process.returncode is not None

    async def close(self) -> None:
        if not self.dead:
            self.process.kill()
            await self.process.wait()
        await self.wire.__aexit__()
        self._socket.close()
