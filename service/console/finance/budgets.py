"""What a month may cost, and how it stands."""

from uuid import UUID

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, VisitDep

router = APIRouter(prefix="/console/budgets", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def budgets(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/billing/budgets", {"cursor": visit.query["cursor"], "limit": 50})
    return visit.page("finance/budgets.html", title="Budgets", found=found)


@router.get("/{budget_id}")
async def budget(visit: VisitDep, budget_id: UUID) -> Response:
    one = await visit.api.get(f"/v1/billing/budgets/{budget_id}")
    return visit.page("finance/budget.html", title=one["name"] or "Budget", one=one)
