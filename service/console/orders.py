"""Orders: bought, changed and released numbers, many at once; each with its progress while it runs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from service.console.api import Api, Refused
from service.console.rendering import fragment
from service.console.visit import PageRoute, Query, VisitDep

PAGE = 50
STATES = ("pending", "running", "completed", "partial", "failed", "cancelled", "previewed")
# Who follow an order, in one process, and how often they are told; in seconds.
PLACES = asyncio.Semaphore(100)
EVERY = 1.0
SILENT_FOR = 15
FULL = {
    "code": "too_many_followers", "title": "Too many followers",
    "detail": "Too many people follow orders at the moment. Load the page anew to see how far it is.",
}  # fmt: skip
router = APIRouter(prefix="/console/orders", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def orders(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/orders", {"limit": PAGE} | visit.query)
    return visit.page("orders/list.html", title="Orders", found=found, states=STATES)


@router.get("/{order_id}")
async def order(order_id: str, visit: VisitDep) -> Response:
    one, items = await _look(visit.api, order_id, visit.query)
    events = f"/console/orders/{order_id}/events"
    if visit.query["outcome"]:
        events += f"?outcome={visit.query['outcome']}"
    return visit.page("orders/one.html", title="Order", one=one, found=items, events=events)


@router.get("/{order_id}/events")
async def events(order_id: str, request: Request, visit: VisitDep) -> Response:
    """How far it is, as a part of the page, whenever that changed; until it is over, or whoever looks leaves."""
    await visit.api.get(f"/v1/orders/{order_id}")
    if PLACES.locked():
        raise Refused(503, FULL)
    return StreamingResponse(_told(request, order_id, visit.query), media_type="text/event-stream")


async def _look(api: Api, order_id: str, query: Query) -> tuple[dict[str, Any], dict[str, Any]]:
    one = await api.get(f"/v1/orders/{order_id}")
    asked = {"limit": PAGE, "outcome": query["outcome"], "cursor": query["cursor"]}
    return one, await api.get(f"/v1/orders/{order_id}/items", asked)


async def _told(request: Request, order_id: str, query: Query) -> AsyncIterator[bytes]:
    """Each look is one of the API's own, in the session as it is by then."""
    health = request.app.state.services.health
    said, silent = "", 0
    async with PLACES:
        while not health.draining():
            try:
                one, items = await _look(Api(request), order_id, query)
            except Refused as refused:
                if refused.status < 500:
                    yield OVER  # The page, loaded anew, says what it is.
                return
            part = fragment("orders/progress.html", "progress", one, items)
            if part != said:
                said, silent = part, 0
                yield b"data: " + orjson.dumps(part) + b"\n\n"
            elif (silent := silent + 1) % SILENT_FOR == 0:
                yield b":\n\n"
            if one["ended_at"] is not None:
                yield OVER
                return
            await asyncio.sleep(EVERY)


OVER = b"event: over\ndata: over\n\n"
