"""The audit log: who changed what, when, from what to what."""

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, VisitDep

PAGE = 50
# What the objects of the log are shown at.
ROOMS = {"number": "numbers", "tenant": "tenants", "organization": "organizations", "order": "orders",
         "invoice": "invoices", "dispute": "disputes", "intent": "doubts"}  # fmt: skip
router = APIRouter(prefix="/console/audit", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def audit(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/admin/audit", {"limit": PAGE} | visit.query)
    return visit.page("audit/list.html", title="Audit log", found=found, objects=ROOMS)
