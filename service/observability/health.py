"""`/healthz`: the process lives. `/readyz`: it can do its work; Redis away is degraded, not unready."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from service.http.openapi import problems

router = APIRouter(tags=["health"])


@dataclass(frozen=True, slots=True)
class Health:
    """How to ask each dependency; each raises when it is not well. `draining` says whether this process is stopping,
    `accounts` whether the keys of some upstream accounts cannot be opened here.
    """

    database: Callable[[], Awaitable[None]]
    redis: Callable[[], Awaitable[None]]
    purchases: Callable[[], Awaitable[str]]
    draining: Callable[[], bool]
    accounts: Callable[[], bool]


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """`status`: ready, degraded (slower and correct, or without some accounts) or unready. `purchases`: open,
    partly_stopped (for some tenants or accounts), stopped, listing, or draining. `accounts`: whether the keys of all
    upstream accounts can be opened.
    """

    status: Literal["ready", "degraded", "unready"]
    database: Literal["ok", "away"]
    redis: Literal["ok", "away"]
    purchases: str
    accounts: Literal["ok", "partly_out_of_service"]


@router.get("/healthz", responses=problems())
async def healthz() -> Alive:
    """The process answers; no dependency is asked."""
    return Alive()


@router.get("/readyz", responses=problems() | {503: {"model": Ready, "description": "Do not send requests here."}})
async def readyz(request: Request, response: Response) -> Ready:
    """Whether this process can do its work."""
    health: Health = request.app.state.services.health
    database, redis, purchases = True, True, "unknown"
    try:
        await health.database()
        purchases = await health.purchases()
    except Exception:
        database = False
    try:
        await health.redis()
    except Exception:
        redis = False
    draining = health.draining()
    ready, partly = database and not draining, health.accounts()
    response.status_code = 200 if ready else 503
    return Ready(
        status="unready" if not ready else "ready" if redis and not partly else "degraded",
        database="ok" if database else "away",
        redis="ok" if redis else "away",
        purchases="draining" if draining else purchases,
        accounts="partly_out_of_service" if partly else "ok",
    )
