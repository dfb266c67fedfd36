"""Teli, as it is seen from here: whether purchases go out, what stops them, and by which accounts."""

from typing import Any

from fastapi import APIRouter, Response

from service.console.api import Refused
from service.console.visit import PageRoute, Visit, VisitDep

PAGE = 100
router = APIRouter(prefix="/console/upstream", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def upstream(visit: VisitDep) -> Response:
    ready = await _ready(visit)
    stops = await visit.api.get("/v1/admin/stops")
    accounts = None
    if visit.may("admin:read"):
        accounts = await visit.api.get("/v1/admin/accounts", {"limit": PAGE, "cursor": visit.query["cursor"]})
    items = stops["items"]
    names = {one["id"]: one["name"] for one in accounts["items"]} if accounts else {}
    names |= await visit.names(tenants=(one["id"] for one in items if one["scope"] == "tenant"))
    return visit.page("upstream/page.html", title="Upstream", ready=ready, stops=items, accounts=accounts, names=names)


async def _ready(visit: Visit) -> dict[str, Any]:
    """Unready is an answer too."""
    try:
        return await visit.api.get("/readyz")
    except Refused as refused:
        if "purchases" not in refused.problem:
            raise
        return dict(refused.problem)
