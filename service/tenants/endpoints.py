"""Provisioning of callers, over REST."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from service.http.context import request_id_of
from service.http.openapi import problems
from service.http.routes import OwnRoute
from service.kit.errors import NotFound
from service.tenants.administration import Administration, Author, IssuedKey
from service.tenants.auth import CREDENTIALS, Admin
from service.tenants.keys import ExpiredKey, InvalidKey, MissingKey, RevokedKey
from service.tenants.principals import NotYourTenant, ScopeMissing
from service.tenants.schemas import (
    TENANT_ID_PATTERN,
    KeyCreate,
    KeyOut,
    KeyRotate,
    OrganizationOut,
    OrganizationPut,
    TenantOut,
    TenantPut,
    UserOut,
    UserPut,
)

AUTH = (MissingKey, InvalidKey, ExpiredKey, RevokedKey, ScopeMissing, NotYourTenant)
router = APIRouter(prefix="/v1/admin", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)

OrganizationPath = Annotated[
    str, Path(min_length=1, max_length=128, pattern=r"^[!-~]+$", description="Teli's unique_id")
]
UserPath = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[!-~]+$", description="Teli's unique_id")]
TenantPath = Annotated[str, Path(pattern=TENANT_ID_PATTERN)]


def administration(request: Request) -> Administration:
    found: Administration = request.app.state.services.administration
    return found


def author(request: Request, caller: Admin) -> Author:
    return Author(caller.actor, request_id_of(request.scope))


AdministrationDep = Annotated[Administration, Depends(administration)]
AuthorDep = Annotated[Author, Depends(author)]


@router.put("/organizations/{organization_id}", responses=problems(*AUTH))
async def put_organization(
    organization_id: OrganizationPath, author: AuthorDep, body: OrganizationPut, administration: AdministrationDep
) -> OrganizationOut:
    """File an organisation under Teli's id, or rename it."""
    return OrganizationOut(**await administration.put_organization(author, organization_id, body.name))


@router.put("/organizations/{organization_id}/users/{user_id}", responses=problems(NotFound, *AUTH))
async def put_user(
    organization_id: OrganizationPath,
    user_id: UserPath,
    author: AuthorDep,
    body: UserPut,
    administration: AdministrationDep,
) -> UserOut:
    """File a user under Teli's id. `exclusive`: nobody buys for it but Numbergate."""
    changes = body.model_dump(exclude_unset=True)
    return UserOut(**await administration.put_user(author, organization_id, user_id, changes))


@router.put("/tenants/{tenant_id}", responses=problems(*AUTH))
async def put_tenant(
    tenant_id: TenantPath, author: AuthorDep, body: TenantPut, administration: AdministrationDep
) -> TenantOut:
    """Create or change a tenant; `organization_ids`, where given, become exactly those it may buy for."""
    return TenantOut(**await administration.put_tenant(author, tenant_id, body.name, body.organization_ids))


@router.post("/tenants/{tenant_id}/keys", status_code=201, responses=problems(NotFound, *AUTH))
async def create_key(
    tenant_id: TenantPath, author: AuthorDep, body: KeyCreate, administration: AdministrationDep
) -> KeyOut:
    """Issue a key. It is shown in this answer and never again."""
    return _shown(
        await administration.issue_key(
            author, tenant_id, name=body.name, scopes=body.scopes, expires_at=body.expires_at
        )
    )


@router.delete("/keys/{key_id}", status_code=204, responses=problems(NotFound, *AUTH))
async def revoke_key(key_id: UUID, author: AuthorDep, administration: AdministrationDep) -> Response:
    """Revoke a key: refused on every replica within a second."""
    await administration.revoke_key(author, key_id)
    return Response(status_code=204)


@router.post("/keys/{key_id}/rotate", status_code=201, responses=problems(NotFound, *AUTH))
async def rotate_key(key_id: UUID, author: AuthorDep, body: KeyRotate, administration: AdministrationDep) -> KeyOut:
    """Issue a successor with the same rights; the old key works for `overlap_seconds` more."""
    return _shown(await administration.rotate_key(author, key_id, overlap=body.overlap_seconds))


def _shown(issued: IssuedKey) -> KeyOut:
    fields: dict[str, Any] = {name: getattr(issued, name) for name in ("id", "key", "name", "expires_at")}
    return KeyOut(**fields, scopes=list(issued.scopes))
