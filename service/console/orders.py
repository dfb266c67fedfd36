"""Orders: bought, changed and released numbers, many at once; each with its progress while it runs."""

from typing import Any

from fastapi import APIRouter, Request, Response

from service.console.api import Api
from service.console.following import followed
from service.console.rendering import fragment
from service.console.visit import PageRoute, Query, VisitDep

PAGE = 50
STATES = ("pending", "running", "completed", "partial", "failed", "cancelled", "previewed")
router = APIRouter(prefix="/console/orders", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def orders(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/orders", {"limit": PAGE} | visit.query)
    names = await visit.names(tenants=(one["tenant_id"] for one in found["items"]))
    return visit.page("orders/list.html", title="Orders", found=found, states=STATES, names=names)


@router.get("/{order_id}")
async def order(order_id: str, visit: VisitDep) -> Response:
    one, items = await _look(visit.api, order_id, visit.query)
    events = f"/console/orders/{order_id}/events"
    if visit.query["outcome"]:
        events += f"?outcome={visit.query['outcome']}"
    names = await visit.names(tenants=(one["tenant_id"],), organizations=(one["selection"].get("organization_id"),))
    return visit.page("orders/one.html", title="Order", one=one, found=items, events=events, names=names)


@router.get("/{order_id}/events")
async def events(order_id: str, request: Request, visit: VisitDep) -> Response:
    """How far it is, as a part of the page, whenever that changed; until it is over, or whoever looks leaves."""
    await visit.api.get(f"/v1/orders/{order_id}")

    async def look() -> tuple[str, bool]:
        one, items = await _look(Api(request), order_id, visit.query)
        return fragment("orders/progress.html", "progress", one, items), one["ended_at"] is not None

    return followed(request, look)


async def _look(api: Api, order_id: str, query: Query) -> tuple[dict[str, Any], dict[str, Any]]:
    one = await api.get(f"/v1/orders/{order_id}")
    asked = {"limit": PAGE, "outcome": query["outcome"], "cursor": query["cursor"]}
    return one, await api.get(f"/v1/orders/{order_id}/items", asked)
