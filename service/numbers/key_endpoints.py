"""The operator's list of idempotency keys, over REST."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, BaseModel, Field

from service.http.openapi import problems
from service.http.pages import Limit, Page
from service.http.routes import OwnRoute
from service.kit.text import plain
from service.numbers.key_listing import Filters, KeyListing
from service.numbers.purchases import OperationState
from service.tenants.auth import CREDENTIALS, KeysRead
from service.tenants.endpoints import AUTH

router = APIRouter(prefix="/v1/admin", tags=["operating"], dependencies=CREDENTIALS, route_class=OwnRoute)


class FiledKey(BaseModel):
    """`tenant_id` is null for a key of an administrator or operator; `actor` names these."""

    tenant_id: str | None
    actor: str | None
    scope: str = Field(description="`create`, or method and path")
    key: str
    created_at: datetime
    expires_at: datetime | None = Field(description="null while its number is held, or nothing is decided")
    operation_id: UUID | None
    state: OperationState
    fingerprint: str = Field(description="The first 16 hexadecimal digits")
    phone_number: str | None


class FiledKeyPage(Page[FiledKey]):
    """Idempotency keys, newest first."""


async def key_listing(request: Request) -> KeyListing:
    found: KeyListing = request.app.state.services.key_listing
    return found


Exactly = Annotated[str | None, AfterValidator(lambda text: text and plain(text)), Query(min_length=1, max_length=300)]


@router.get("/idempotency-keys", responses=problems(*AUTH))
async def list_idempotency_keys(
    caller: KeysRead,
    listing: Annotated[KeyListing, Depends(key_listing)],
    tenant_id: Exactly = None,
    key: Exactly = None,
    scope: Exactly = None,
    state: OperationState | None = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> FiledKeyPage:
    """Idempotency keys that are remembered, newest first: whose, for what, what they name, and until when."""
    filters = Filters(tenant_id, key, scope, state)
    return FiledKeyPage.model_validate(await listing.page(caller, filters, limit=limit, cursor=cursor))
