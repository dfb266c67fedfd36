"""Limits, over REST: as an administrator sets them, and as a tenant sees its own."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt

from service.http.openapi import problems
from service.http.pages import Cursor, Limit, Page
from service.http.routes import OwnRoute
from service.kit.errors import NotFound
from service.kit.text import plain
from service.quotas.administration import QuotaAdministration, Scope, of_tenant
from service.quotas.view import QuotaView
from service.tenants.auth import CREDENTIALS, AdminReads, NumbersRead
from service.tenants.endpoints import AUTH, AuthorDep, OrganizationPath, TenantPath, UserPath

router = APIRouter(prefix="/v1/admin", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)

own_router = APIRouter(prefix="/v1/quotas", tags=["quotas"], dependencies=CREDENTIALS, route_class=OwnRoute)

Mode = Literal["enforced", "shadow", "off"]
LimitName = Literal[
    "numbers_held", "purchases_per_day", "purchases_per_month", "spend_per_month", "releases_per_month", "doubts_open",
    "concurrent_creates",
]  # fmt: skip
Count = Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]
MicroUnits = Annotated[StrictInt, Field(ge=0, le=1_000_000_000_000_000)]
Burst = Annotated[StrictInt, Field(ge=0, le=1_000_000)]


def at_least_one_in_a_thousand_seconds(rate: float) -> float:
    """Raises: ValueError."""
    if 0 < rate < SLOWEST:
        raise ValueError(f"must be 0, for none, or at least {SLOWEST}")
    return rate


SLOWEST = 0.001
Rate = Annotated[
    float,
    Field(strict=True, ge=0, le=1_000_000, allow_inf_nan=False),
    AfterValidator(at_least_one_in_a_thousand_seconds),
]


class QuotaPut(BaseModel):
    """Of a limit `null` is unlimited, 0 is none; what is absent stays as it is.

    `spend_per_month` is in micro-units of the deployment's currency, a purchase reckoned at the default price. `burst`
    is how many requests may come at once; null is what `requests_per_second` lets through in a second. Days and months
    are those of `time_zone`, a name of the IANA time zone database. Without a `mode` limits are enforced, without a
    `time_zone` it is UTC: so null sets them.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    numbers_held: Count | None = Field(None, examples=[120])
    purchases_per_day: Count | None = None
    purchases_per_month: Count | None = None
    releases_per_month: Count | None = None
    spend_per_month: MicroUnits | None = None
    requests_per_second: Rate | None = None
    burst: Burst | None = None
    concurrent_creates: Count | None = None
    doubts_open: Count | None = None
    mode: Mode | None = None
    time_zone: Annotated[str, AfterValidator(plain), Field(min_length=1, max_length=64)] | None = None


class LimitOut(BaseModel):
    """`left` is null where there is no limit, `resets_at` where no waiting helps; `counted`: the path of the rows."""

    name: LimitName
    scope: str
    scope_id: str
    limit: int | None
    used: int
    reserved: int
    left: int | None
    resets_at: datetime | None
    counted: str


class LimitsOut(BaseModel):
    tenant_id: str
    mode: Mode
    time_zone: str
    requests_per_second: float | None
    burst: int | None
    limits: list[LimitOut]


class CountedRow(BaseModel):
    """A number, a purchase or a release, and whether it counts as used or as reserved."""

    kind: Literal["number", "purchase", "release", "ordered"]
    id: UUID
    at: datetime
    state: str
    phone_number: str | None
    counts_as: Literal["used", "reserved"]
    path: str


class CountedPage(Page[CountedRow]):
    """The oldest first."""


class Use(BaseModel):
    limit: int | None
    used: int
    reserved: int
    resets_at: datetime | None


class QuotaOut(BaseModel):
    """The limits as they are set, and the use of each; of the three ids those that name whose they are."""

    tenant_id: str | None = None
    organization_id: str | None = None
    user_id: str | None = None
    numbers_held: int | None
    purchases_per_day: int | None
    purchases_per_month: int | None
    releases_per_month: int | None
    spend_per_month: int | None
    requests_per_second: float | None
    burst: int | None
    concurrent_creates: int | None
    doubts_open: int | None
    mode: Mode
    time_zone: str
    use: dict[str, Use]


async def quota_administration(request: Request) -> QuotaAdministration:
    found: QuotaAdministration = request.app.state.services.quotas
    return found


async def quota_view(request: Request) -> QuotaView:
    found: QuotaView = request.app.state.services.quota_view
    return found


ViewDep = Annotated[QuotaView, Depends(quota_view)]
QuotasDep = Annotated[QuotaAdministration, Depends(quota_administration)]


@own_router.get("", responses=problems(*AUTH))
async def get_own_quotas(caller: NumbersRead, view: ViewDep) -> LimitsOut:
    """The limits of the key's own tenant, their use, and where the rows that are counted can be seen."""
    return LimitsOut.model_validate(await view.of(caller.tenant))


@own_router.get("/{name}/rows", responses=problems(*AUTH))
async def list_counted_rows(
    name: LimitName,
    caller: NumbersRead,
    view: ViewDep,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> CountedPage:
    """The rows that a limit of the key's own tenant counts now."""
    return CountedPage.model_validate(await view.rows(caller, name, limit=limit, cursor=cursor))


async def _told(quotas: QuotaAdministration, of: Scope) -> QuotaOut:
    return QuotaOut.model_validate(await quotas.get(of))


async def _put(quotas: QuotaAdministration, of: Scope, author: AuthorDep, body: QuotaPut) -> QuotaOut:
    return QuotaOut.model_validate(await quotas.put(author, of, body.model_dump(exclude_unset=True)))


@router.get("/tenants/{tenant_id}/quotas", responses=problems(NotFound, *AUTH))
async def get_quotas(tenant_id: TenantPath, _: AdminReads, quotas: QuotasDep) -> QuotaOut:
    """A tenant's limits and their use."""
    return await _told(quotas, of_tenant(tenant_id))


@router.put("/tenants/{tenant_id}/quotas", responses=problems(NotFound, *AUTH))
async def put_quotas(tenant_id: TenantPath, author: AuthorDep, body: QuotaPut, quotas: QuotasDep) -> QuotaOut:
    """Change a tenant's limits, in force at once."""
    return await _put(quotas, of_tenant(tenant_id), author, body)


@router.get("/organizations/{organization_id}/quotas", responses=problems(NotFound, *AUTH))
async def get_organization_quotas(organization_id: OrganizationPath, _: AdminReads, quotas: QuotasDep) -> QuotaOut:
    """The limits of an organisation, over all tenants that buy for it, and their use."""
    return await _told(quotas, Scope("organization", organization_id=organization_id))


@router.put("/organizations/{organization_id}/quotas", responses=problems(NotFound, *AUTH))
async def put_organization_quotas(
    organization_id: OrganizationPath, author: AuthorDep, body: QuotaPut, quotas: QuotasDep
) -> QuotaOut:
    """Change the limits of an organisation, in force at once. Its requests are its purchases."""
    return await _put(quotas, Scope("organization", organization_id=organization_id), author, body)


@router.get("/organizations/{organization_id}/users/{user_id}/quotas", responses=problems(NotFound, *AUTH))
async def get_user_quotas(
    organization_id: OrganizationPath, user_id: UserPath, _: AdminReads, quotas: QuotasDep
) -> QuotaOut:
    """The limits of a user, over all tenants that buy for it, and their use."""
    return await _told(quotas, Scope("user", organization_id=organization_id, user_id=user_id))


@router.put("/organizations/{organization_id}/users/{user_id}/quotas", responses=problems(NotFound, *AUTH))
async def put_user_quotas(
    organization_id: OrganizationPath, user_id: UserPath, author: AuthorDep, body: QuotaPut, quotas: QuotasDep
) -> QuotaOut:
    """Change the limits of a user, in force at once. Its requests are its purchases."""
    return await _put(quotas, Scope("user", organization_id=organization_id, user_id=user_id), author, body)


@router.get("/deployment/quotas", responses=problems(*AUTH))
async def get_deployment_quotas(_: AdminReads, quotas: QuotasDep) -> QuotaOut:
    """The limits of the whole deployment and their use."""
    return await _told(quotas, Scope("deployment"))


@router.put("/deployment/quotas", responses=problems(*AUTH))
async def put_deployment_quotas(author: AuthorDep, body: QuotaPut, quotas: QuotasDep) -> QuotaOut:
    """Change the limits of the whole deployment, in force at once. Every purchase queues at its one row."""
    return await _put(quotas, Scope("deployment"), author, body)
