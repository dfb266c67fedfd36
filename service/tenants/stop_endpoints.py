"""The money stop, over REST."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from service.http.context import request_id_of
from service.http.openapi import problems
from service.http.pages import Page, Total
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused
from service.tenants.administration import Author
from service.tenants.auth import CREDENTIALS, MayStop, StopsRead
from service.tenants.endpoints import AUTH
from service.tenants.schemas import ExternalId, PlainText, Strict
from service.tenants.stops import Stops, StopScope

router = APIRouter(prefix="/v1/admin", tags=["operating"], dependencies=CREDENTIALS, route_class=OwnRoute)


class StopOrder(Strict):
    """`id`: which tenant, or which account (its id or name); none with `global`."""

    scope: StopScope
    id: ExternalId | None = None
    reason: Annotated[PlainText, Field(min_length=1, max_length=1000)]


class StopOut(BaseModel):
    scope: StopScope
    id: str | None
    stopped: bool
    reason: str | None
    actor: str | None
    at: datetime | None


class StopPage(Page[StopOut]):
    """All of them at once: there are few."""


async def stops_of(request: Request) -> Stops:
    found: Stops = request.app.state.services.stops
    return found


async def author(request: Request, caller: MayStop, keyed: Keyed) -> Author:
    return Author(caller.actor, request_id_of(request.scope), keyed.by(caller.actor))


StopsDep = Annotated[Stops, Depends(stops_of)]
StopAuthor = Annotated[Author, Depends(author)]


@router.get("/stops", responses=problems(*AUTH))
async def list_stops(_: StopsRead, stops: StopsDep) -> StopPage:
    """What is stopped, the latest first."""
    found = await stops.all()
    total = Total(value=len(found), exact=True)
    return StopPage(items=[StopOut(**one) for one in found], next_cursor=None, total=total)


@router.post("/stop", responses=problems(IdempotencyKeyReused, *AUTH))
async def stop_purchases(author: StopAuthor, body: StopOrder, stops: StopsDep) -> StopOut:
    """Stop purchases: none leaves more than a second after this answer, on any replica. All else goes on."""
    return StopOut(**await stops.stop(author, body.scope, body.id, body.reason))


@router.post("/resume", responses=problems(IdempotencyKeyReused, *AUTH))
async def resume_purchases(author: StopAuthor, body: StopOrder, stops: StopsDep) -> StopOut:
    """Let purchases go on, save where another stop holds them up."""
    return StopOut(**await stops.resume(author, body.scope, body.id, body.reason))
