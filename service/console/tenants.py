"""Organisations and their users, tenants with their rules and limits, those of all, keys, and who is logged in."""

from fastapi import APIRouter, Response

from service.console.visit import PageRoute, VisitDep

PAGE = 50
LIMITS = (
    "numbers_held", "purchases_per_day", "purchases_per_month", "releases_per_month", "spend_per_month",
    "requests_per_second", "burst", "concurrent_creates", "doubts_open",
)  # fmt: skip
# As service/tenants/administration.py has them, with what each lets a tenant do.
SCOPES = (
    ("numbers:read", "see its numbers"), ("numbers:create", "buy"), ("numbers:update", "change its numbers"),
    ("numbers:release", "give numbers back"), ("agents:link", "link agents"), ("campaigns:read", "see campaigns"),
    ("campaigns:write", "run campaigns"), ("calls:read", "see calls"), ("events:read", "read its events"),
    ("webhooks:write", "have events sent"), ("inventory:org", "see its organisations whole"),
)  # fmt: skip
router = APIRouter(prefix="/console", route_class=PageRoute, include_in_schema=False)


@router.get("/organizations")
async def organizations(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/admin/organizations", {"limit": PAGE} | visit.query)
    return visit.page("organizations/list.html", title="Organisations", found=found)


@router.get("/organizations/{organization_id}")
async def organization(organization_id: str, visit: VisitDep) -> Response:
    path = f"/v1/admin/organizations/{organization_id}"
    one = await visit.api.get(path)
    users = await visit.api.get(f"{path}/users", {"limit": PAGE} | visit.query)
    quotas = await visit.api.get(f"{path}/quotas")
    return visit.page(
        "organizations/one.html", title=one["name"], one=one, found=users, quotas=quotas, limits=LIMITS, api=path
    )


@router.get("/tenants")
async def tenants(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/admin/tenants", {"limit": PAGE} | visit.query)
    return visit.page("tenants/list.html", title="Tenants", found=found)


@router.get("/tenants/{tenant_id}")
async def tenant(tenant_id: str, visit: VisitDep) -> Response:
    path = f"/v1/admin/tenants/{tenant_id}"
    one = await visit.api.get(path)
    quotas = await visit.api.get(f"{path}/quotas")
    policy = await visit.api.get(f"/v1/admin/policies/{tenant_id}")
    keys = await visit.api.get("/v1/admin/keys", {"tenant_id": tenant_id, "limit": PAGE})
    return visit.page(
        "tenants/one.html", title=one["name"], one=one, quotas=quotas, limits=LIMITS, policy=policy, keys=keys,
        scopes=SCOPES, api=path, names=await visit.names(organizations=one["organization_ids"]),
    )  # fmt: skip


@router.get("/limits")
async def limits(visit: VisitDep) -> Response:
    path = "/v1/admin/deployment"
    quotas = await visit.api.get(f"{path}/quotas")
    return visit.page("limits.html", title="Limits of all", quotas=quotas, limits=LIMITS, api=path)


@router.get("/keys")
async def keys(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/admin/keys", {"limit": PAGE} | visit.query)
    names = await visit.names(tenants=(one["tenant_id"] for one in found["items"]))
    return visit.page("keys/list.html", title="Keys", found=found, names=names)


@router.get("/sessions")
async def sessions(visit: VisitDep) -> Response:
    found = await visit.api.get("/v1/admin/sessions", {"limit": PAGE} | visit.query)
    return visit.page("sessions/list.html", title="Sessions", found=found)
