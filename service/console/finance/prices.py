"""The price book, and the supplier's rule."""

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, VisitDep

router = APIRouter(prefix="/console/prices", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def prices(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/billing/prices", {"cursor": visit.query["cursor"], "limit": 50})
    rule = await visit.api.get("/v1/billing/charging-rule")
    names = await visit.names(organizations=(one["organization_id"] for one in found["items"]))
    return visit.page("finance/prices.html", title="Prices", found=found, rule=rule, names=names)
