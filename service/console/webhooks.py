"""Where a tenant's events are sent, and what became of each; of the tenant that is named, or of all to choose from."""

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, VisitDep

PAGE = 50
ENDPOINTS = "/v1/webhook-endpoints"
STATES = ["waiting", "delivered", "given_up"]
router = APIRouter(prefix="/console/webhooks", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def webhooks(visit: VisitDep) -> Response:
    tenant_id = visit.query.get("tenant_id")
    if not tenant_id:
        found = await visit.api.get("/v1/admin/tenants", {"limit": PAGE} | visit.query)
        return visit.page("webhooks/tenants.html", title="Webhooks", found=found)
    tenant = await visit.api.get(f"/v1/admin/tenants/{tenant_id}")
    found = await visit.api.get(ENDPOINTS, {"limit": PAGE} | visit.query)
    return visit.page("webhooks/list.html", title="Webhooks", tenant=tenant, found=found)


@router.get("/{endpoint_id}")
async def webhook(endpoint_id: str, visit: VisitDep) -> Response:
    tenant = {"tenant_id": visit.query.get("tenant_id")}
    one = await visit.api.get(f"{ENDPOINTS}/{endpoint_id}", tenant)
    found = await visit.api.get(f"{ENDPOINTS}/{endpoint_id}/deliveries", {"limit": PAGE} | visit.query)
    of = visit.query.get("tenant_id")
    whose = await visit.api.find(f"/v1/admin/tenants/{of}") if of and visit.may("admin:read") else None
    return visit.page("webhooks/one.html", title="Webhook endpoint", one=one, found=found, states=STATES, tenant=whose)
