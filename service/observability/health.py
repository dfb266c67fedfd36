"""`/healthz`: the process lives. `/readyz`: it can do its work; Redis away is degraded, not unready.

Anybody may ask, so what Postgres and Redis said is told for a second to all who do.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from service.http.openapi import problems
from service.kit.clock import monotonic

router = APIRouter(tags=["health"])
# Seconds.
FRESH = 1.0
KeysStand = Literal["ok", "partly_out_of_service", "key_refused"]


@dataclass(frozen=True, slots=True)
class Found:
    """What the dependencies said, good `until` then, by a monotonic clock. `purchases`: None without Postgres."""

    redis: bool
    purchases: str | None
    until: float


@dataclass(slots=True)
class Health:
    """How to ask each dependency; each raises when it is not well. `draining` says whether this process is stopping,
    `accounts` how the keys of the upstream accounts stand.
    """

    database: Callable[[], Awaitable[None]]
    redis: Callable[[], Awaitable[None]]
    purchases: Callable[[], Awaitable[str]]
    draining: Callable[[], bool]
    accounts: Callable[[], KeysStand]
    _found: Found | None = field(default=None, init=False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def found(self) -> Found:
        """As of a second ago at most; whoever comes while the dependencies are being asked waits for that answer."""
        async with self._asking:
            if self._found is None or monotonic() >= self._found.until:
                self._found = await self._ask()
            return self._found

    async def _ask(self) -> Found:
        redis, purchases = False, None
        with suppress(Exception):
            await self.database()
            purchases = await self.purchases()
        with suppress(Exception):
            await self.redis()
            redis = True
        return Found(redis, purchases, monotonic() + FRESH)


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """`status`: ready, degraded (slower and correct, or without some accounts) or unready. `purchases`: open,
    partly_stopped (for some tenants or accounts), stopped, recovering (after a restore), listing, or draining.
    `accounts`: ok, partly_out_of_service where a key of some upstream account cannot be opened, or key_refused where
    Teli refuses one.
    """

    status: Literal["ready", "degraded", "unready"]
    database: Literal["ok", "away"]
    redis: Literal["ok", "away"]
    purchases: str
    accounts: KeysStand


@router.get("/healthz", responses=problems())
async def healthz() -> Alive:
    """The process answers; no dependency is asked."""
    return Alive()


@router.get("/readyz", responses=problems() | {503: {"model": Ready, "description": "Do not send requests here."}})
async def readyz(request: Request, response: Response) -> Ready:
    """Whether this process can do its work, as of a second ago at most."""
    health: Health = request.app.state.services.health
    found, draining, accounts = await health.found(), health.draining(), health.accounts()
    ready = found.purchases is not None and not draining
    response.status_code = 200 if ready else 503
    return Ready(
        status="unready" if not ready else "ready" if found.redis and accounts == "ok" else "degraded",
        database="away" if found.purchases is None else "ok",
        redis="ok" if found.redis else "away",
        purchases="draining" if draining else found.purchases or "unknown",
        accounts=accounts,
    )
