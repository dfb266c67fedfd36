"""Somebody who is told: endpoints on loopback that keep what they get, and answer as a test has them do."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True)
class Told:
    """One request as it came in."""

    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def check(self, secret: str) -> None:
        """By the reference library, with the id that the event has too. Raises: WebhookVerificationError."""
        assert Webhook(secret).verify(self.body, self.headers) == self.event
        assert self.headers["webhook-id"] == self.event["id"]


# What is answered to an event, by its place among those that came: a status.
Answer = Callable[[dict[str, Any]], int]


class Receiver:
    """`told` by the name of the endpoint. `answers`: instead of 200; `slow`: seconds until there is an answer.

    With an endpoint's secret in `secrets` all are checked as they come, for a signature holds for some minutes only;
    what is not signed as it should be is in `forged`.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.told: dict[str, list[Told]] = defaultdict(list)
        self.answers: dict[str, Answer] = {}
        self.slow: dict[str, float] = {}
        self.secrets: dict[str, str] = {}
        self.forged: list[Told] = []
        self.headers: dict[str, dict[str, str]] = {}
        self.bodies: dict[str, bytes] = {}
        self.at_once: dict[str, int] = defaultdict(int)
        self.most_at_once: dict[str, int] = defaultdict(int)

    def url(self, name: str = "hook") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def sequences(self, name: str = "hook") -> list[int]:
        return [one.event["sequence"] for one in self.told[name]]

    def types(self, name: str = "hook") -> list[str]:
        return [one.event["type"] for one in self.told[name]]

    async def take(self, request: web.Request) -> web.StreamResponse:
        name = request.path.strip("/")
        self.at_once[name] += 1
        self.most_at_once[name] = max(self.most_at_once[name], self.at_once[name])
        try:
            headers = {key.lower(): value for key, value in request.headers.items()}
            one = Told(monotonic(), headers, await request.read())
            if name in self.secrets:
                try:
                    one.check(self.secrets[name])
                except (WebhookVerificationError, AssertionError):
                    self.forged.append(one)
            if name in self.slow:
                await asyncio.sleep(self.slow[name])
            self.told[name].append(one)
            status = self.answers[name](one.event) if name in self.answers else 200
            return web.Response(status=status, headers=self.headers.get(name), body=self.bodies.get(name))
        finally:
            self.at_once[name] -= 1


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver(0)
    app = web.Application()
    app.router.add_route("*", "/{name:.*}", found.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()
