"""Limits, over REST."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from service.http.openapi import problems
from service.http.routes import OwnRoute
from service.kit.errors import NotFound
from service.quotas.administration import QuotaAdministration
from service.tenants.auth import CREDENTIALS, Admin
from service.tenants.endpoints import AUTH, AuthorDep, TenantPath

router = APIRouter(prefix="/v1/admin/tenants", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)


class QuotaPut(BaseModel):
    """`null` is unlimited, 0 is none, absent stays as it is."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    numbers_held: Annotated[StrictInt, Field(ge=0, le=1_000_000_000)] | None = Field(None, examples=[120])


class Use(BaseModel):
    limit: int | None
    used: int
    reserved: int


class QuotaOut(BaseModel):
    tenant_id: str
    numbers_held: int | None
    use: dict[str, Use]


def quota_administration(request: Request) -> QuotaAdministration:
    found: QuotaAdministration = request.app.state.services.quotas
    return found


QuotasDep = Annotated[QuotaAdministration, Depends(quota_administration)]


@router.get("/{tenant_id}/quotas", responses=problems(NotFound, *AUTH))
async def get_quotas(tenant_id: TenantPath, caller: Admin, quotas: QuotasDep) -> QuotaOut:
    """A tenant's limits and their use."""
    return QuotaOut.model_validate(await quotas.get(tenant_id))


@router.put("/{tenant_id}/quotas", responses=problems(NotFound, *AUTH))
async def put_quotas(tenant_id: TenantPath, author: AuthorDep, body: QuotaPut, quotas: QuotasDep) -> QuotaOut:
    """Change a tenant's limits, in force at once."""
    return QuotaOut.model_validate(await quotas.put(author, tenant_id, body.model_dump(exclude_unset=True)))
