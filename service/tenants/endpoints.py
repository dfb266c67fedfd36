"""Provisioning of callers, over REST."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator

from service.http.context import request_id_of
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused
from service.kit.errors import NotFound, StateConflict
from service.kit.text import shaped
from service.teli.errors import UpstreamUnavailable
from service.tenants.administration import Administration, Author, IssuedKey
from service.tenants.auth import CREDENTIALS, Admin, AdminReads
from service.tenants.keys import ExpiredKey, InvalidKey, MissingKey, RevokedKey
from service.tenants.listings import KeyKind, KeyState, Listings
from service.tenants.principals import NetworkNotAllowed, NotYourTenant, ScopeMissing
from service.tenants.schemas import (
    TENANT_ID_PATTERN,
    KeyCreate,
    KeyOut,
    KeyPage,
    KeyRotate,
    OrganizationFiled,
    OrganizationOut,
    OrganizationPage,
    OrganizationPut,
    SyncOut,
    TenantFiled,
    TenantPage,
    TenantPut,
    TenantShown,
    UserFiled,
    UserOut,
    UserPage,
    UserPut,
)
from service.tenants.synchronising import Synchronisation

AUTH = (MissingKey, InvalidKey, ExpiredKey, RevokedKey, ScopeMissing, NetworkNotAllowed, NotYourTenant)
router = APIRouter(prefix="/v1/admin", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)

AN_HOUR = KeyRotate()
EXTERNAL = r"^[!-~]+$"
OrganizationPath = Annotated[
    str,
    AfterValidator(shaped(EXTERNAL, "must be printable ASCII without spaces, as Teli's ids are")),
    Path(min_length=1, max_length=128, json_schema_extra={"pattern": EXTERNAL}, description="Teli's unique_id"),
]
UserPath = OrganizationPath
OWN_TENANT = AfterValidator(
    shaped(TENANT_ID_PATTERN, "must be letters, digits and . _ : - alone, the first a letter or digit, 64 at most")
)
TenantPath = Annotated[str, OWN_TENANT, Path(json_schema_extra={"pattern": TENANT_ID_PATTERN})]
TenantQuery = Annotated[str | None, OWN_TENANT, Query(json_schema_extra={"pattern": TENANT_ID_PATTERN})]
Search = Annotated[
    str | None,
    AfterValidator(shaped(r"^[^\x00-\x1f\x7f]+$", "must be text on one line")),
    Query(
        min_length=1,
        max_length=200,
        description="Letters of an id or a name (of a user also the e-mail address), in either case",
    ),
]


async def administration(request: Request) -> Administration:
    found: Administration = request.app.state.services.administration
    return found


async def listings(request: Request) -> Listings:
    found: Listings = request.app.state.services.listings
    return found


async def synchronisation(request: Request) -> Synchronisation:
    found: Synchronisation = request.app.state.services.synchronisation
    return found


async def author(request: Request, caller: Admin) -> Author:
    return Author(caller.actor, request_id_of(request.scope))


async def author_once(author: Annotated[Author, Depends(author)], keyed: Keyed) -> Author:
    return replace(author, once=keyed.by(author.actor))


ListingsDep = Annotated[Listings, Depends(listings)]
AdministrationDep = Annotated[Administration, Depends(administration)]
SynchronisationDep = Annotated[Synchronisation, Depends(synchronisation)]
AuthorDep = Annotated[Author, Depends(author)]
AuthorOnce = Annotated[Author, Depends(author_once)]


@router.get("/organizations", responses=problems(*AUTH))
async def list_organizations(
    _: AdminReads, listings: ListingsDep, q: Search = None, limit: Limit = 100, cursor: Cursor = None
) -> OrganizationPage:
    """Organisations, by id."""
    return OrganizationPage.model_validate(await listings.organizations(q=q, limit=limit, cursor=cursor))


@router.post("/organizations/sync", responses=problems(StateConflict, IdempotencyKeyReused, UpstreamUnavailable, *AUTH))
async def sync_organizations(author: AuthorOnce, synchronisation: SynchronisationDep) -> SyncOut:
    """File the organisations that Teli names, and take over their names. None is deleted, and nobody granted any."""
    return SyncOut.model_validate(await synchronisation.organizations(author), from_attributes=True)


@router.get("/organizations/{organization_id}", responses=problems(NotFound, *AUTH))
async def get_organization(organization_id: OrganizationPath, _: AdminReads, listings: ListingsDep) -> OrganizationOut:
    """One organisation."""
    return OrganizationOut(**await listings.organization(organization_id))


@router.put("/organizations/{organization_id}", responses=problems(*AUTH))
async def put_organization(
    organization_id: OrganizationPath, author: AuthorDep, body: OrganizationPut, administration: AdministrationDep
) -> OrganizationFiled:
    """File an organisation under Teli's id, rename it, or have it bought for through an account of its own.

    What was bought before stays with the account that bought it. An id that is not there is filed: `created` tells.
    """
    changes = body.model_dump(exclude_unset=True)
    return OrganizationFiled(**await administration.put_organization(author, organization_id, further=changes))


@router.get("/organizations/{organization_id}/users", responses=problems(NotFound, *AUTH))
async def list_users(
    organization_id: OrganizationPath,
    _: AdminReads,
    listings: ListingsDep,
    q: Search = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> UserPage:
    """Users of an organisation that are filed, by id."""
    return UserPage.model_validate(await listings.users(organization_id, q=q, limit=limit, cursor=cursor))


@router.post(
    "/organizations/{organization_id}/users/sync",
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, UpstreamUnavailable, *AUTH),
)
async def sync_users(
    organization_id: OrganizationPath, author: AuthorOnce, synchronisation: SynchronisationDep
) -> SyncOut:
    """File the users that Teli names, and take over their names and emails.

    None is deleted, and `exclusive` stays as it is.
    """
    return SyncOut.model_validate(await synchronisation.users(author, organization_id), from_attributes=True)


@router.get("/organizations/{organization_id}/users/{user_id}", responses=problems(NotFound, *AUTH))
async def get_user(
    organization_id: OrganizationPath, user_id: UserPath, _: AdminReads, listings: ListingsDep
) -> UserOut:
    """One user of an organisation."""
    return UserOut(**await listings.user(organization_id, user_id))


@router.put("/organizations/{organization_id}/users/{user_id}", responses=problems(NotFound, *AUTH))
async def put_user(
    organization_id: OrganizationPath,
    user_id: UserPath,
    author: AuthorDep,
    body: UserPut,
    administration: AdministrationDep,
) -> UserFiled:
    """File a user under Teli's id, or change it: `created` tells. `exclusive`: nobody buys for it but Numbergate."""
    changes = body.model_dump(exclude_unset=True)
    return UserFiled(**await administration.put_user(author, organization_id, user_id, changes))


@router.get("/tenants", responses=problems(*AUTH))
async def list_tenants(
    _: AdminReads, listings: ListingsDep, q: Search = None, limit: Limit = 100, cursor: Cursor = None
) -> TenantPage:
    """Tenants, by id."""
    return TenantPage.model_validate(await listings.tenants(q=q, limit=limit, cursor=cursor))


@router.get("/tenants/{tenant_id}", responses=problems(NotFound, *AUTH))
async def get_tenant(tenant_id: TenantPath, _: AdminReads, listings: ListingsDep) -> TenantShown:
    """One tenant, and how many numbers it holds."""
    return TenantShown(**await listings.tenant(tenant_id))


@router.put("/tenants/{tenant_id}", responses=problems(NotFound, StateConflict, *AUTH))
async def put_tenant(
    tenant_id: TenantPath, author: AuthorDep, body: TenantPut, administration: AdministrationDep
) -> TenantFiled:
    """Create or change a tenant; `organization_ids`, where given, become exactly those it may buy for.

    A new one needs a `name`: without, an id that is not there is 404.

    Its numbers stay where they are, whatever its `state`, and with the account that bought them, whatever `account_id`
    it buys through from now on. To close one that holds numbers, `confirm_numbers_held` must say how many: it is 409
    else, and tells.
    """
    return TenantFiled(**await administration.put_tenant(author, tenant_id, **body.model_dump()))


@router.post(
    "/tenants/{tenant_id}/keys",
    status_code=201,
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH),
)
async def create_key(
    tenant_id: TenantPath, author: AuthorOnce, body: KeyCreate, administration: AdministrationDep
) -> KeyOut:
    """Issue a key. It is shown in this answer and never again: a replay has null in its place.

    It may be limited to organisations, users and networks; a limit that is null or absent is none.
    """
    return _shown(
        await administration.issue_key(
            author, tenant_id, name=body.name, scopes=body.scopes, expires_at=body.expires_at, limits=body.limits
        )
    )


@router.get("/keys", responses=problems(*AUTH))
async def list_keys(
    _: AdminReads,
    listings: ListingsDep,
    tenant_id: Annotated[str | None, OWN_TENANT, Query(json_schema_extra={"pattern": TENANT_ID_PATTERN})] = None,
    kind: KeyKind | None = None,
    state: KeyState | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> KeyPage:
    """API keys, newest first, those too that are good no more. No key is shown, only its last four characters."""
    found = await listings.keys(tenant_id=tenant_id, kind=kind, state=state, limit=limit, cursor=cursor)
    return KeyPage.model_validate(found)


@router.delete("/keys/{key_id}", status_code=204, responses=problems(NotFound, *AUTH))
async def revoke_key(key_id: UUID, author: AuthorDep, administration: AdministrationDep) -> Response:
    """Revoke a key: refused on every replica within a second."""
    await administration.revoke_key(author, key_id)
    return Response(status_code=204)


@router.post(
    "/keys/{key_id}/rotate",
    status_code=201,
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH),
)
async def rotate_key(
    key_id: UUID, author: AuthorOnce, administration: AdministrationDep, body: KeyRotate = AN_HOUR
) -> KeyOut:
    """Issue a successor with the same rights and limits; the old key works for `overlap_seconds` more.

    Without a body that is an hour.
    """
    return _shown(await administration.rotate_key(author, key_id, overlap=body.overlap_seconds))


def _shown(issued: IssuedKey) -> KeyOut:
    return KeyOut(**issued.as_json(), key=issued.key or None)
