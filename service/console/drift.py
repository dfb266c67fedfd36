"""Drift: what Teli lists otherwise than is wanted, and which of the two holds."""

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, VisitDep

PAGE = 50
router = APIRouter(prefix="/console/drift", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def drift(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/drift", {"limit": PAGE, "cursor": visit.query["cursor"]})
    names = await visit.names(tenants=(one["tenant_id"] for one in found["items"]))
    return visit.page("drift/list.html", title="Drift", found=found, names=names)
