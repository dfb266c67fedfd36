"""What a month may cost, and how it stands."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, Visit, VisitDep

router = APIRouter(prefix="/console/budgets", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def budgets(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/billing/budgets", {"cursor": visit.query["cursor"], "limit": 50})
    names = await names_of(visit, found["items"])
    return visit.page("finance/budgets.html", title="Budgets", found=found, names=names)


@router.get("/{budget_id}")
async def budget(visit: VisitDep, budget_id: UUID) -> Response:
    one = await visit.api.get(f"/v1/billing/budgets/{budget_id}")
    names = await names_of(visit, [one])
    return visit.page("finance/budget.html", title=one["name"] or "Budget", one=one, names=names)


async def names_of(visit: Visit, budgets: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Of those whose budget it is, and who is told."""
    tenants = [one[name] for one in budgets for name in ("tenant_id", "notify_tenant_id")]
    return await visit.names(tenants=tenants, organizations=(one["organization_id"] for one in budgets))
