"""Upstream accounts, over REST. A key comes in and never goes out again."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, Field, SecretStr, StrictStr

from service.http.openapi import problems
from service.http.pages import Cursor, Limit, Page
from service.http.routes import OwnRoute
from service.idempotency.keys import IdempotencyKeyReused
from service.kit.errors import NotFound, StateConflict
from service.kit.text import plain, shaped
from service.kit.urls import https_outside_loopback
from service.tenants.accounts import Accounts
from service.tenants.auth import CREDENTIALS, AdminReads
from service.tenants.endpoints import AUTH, AuthorDep, AuthorOnce
from service.tenants.schemas import ExternalId, Kept, Strict

router = APIRouter(prefix="/v1/admin/accounts", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)


def _header(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not all("!" <= sign <= "~" for sign in text):
        raise ValueError("must be printable ASCII without spaces: it travels in a header")
    return key


NAME = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
AccountName = Annotated[
    StrictStr,
    AfterValidator(plain),
    AfterValidator(shaped(NAME, "must begin with a letter or digit, and hold nothing but these and . _ -")),
    Field(min_length=1, max_length=64, json_schema_extra={"pattern": NAME}),
]
BaseUrl = Annotated[StrictStr, AfterValidator(https_outside_loopback), Field(max_length=500)]
TeliKey = Annotated[
    SecretStr, AfterValidator(_header), Field(min_length=8, max_length=512, description="Teli's; written, never shown")
]


class AccountCreate(Strict):
    name: AccountName
    base_url: BaseUrl
    teli_tenant_id: ExternalId
    key: TeliKey


class AccountPut(Strict):
    """What is absent stays as it is. Another `base_url` needs the `key` anew."""

    name: Annotated[AccountName | None, Kept] = None
    base_url: Annotated[BaseUrl | None, Kept] = None
    teli_tenant_id: Annotated[ExternalId | None, Kept] = None
    key: Annotated[TeliKey | None, Kept] = None


class AccountKeyPut(Strict):
    key: TeliKey


class HeldKey(BaseModel):
    """`hint`: its last four characters; `encrypted_with`: the id of the key it takes to open it."""

    hint: str
    encrypted_with: str
    changed_at: datetime
    changed_by: str


class AccountOut(BaseModel):
    """`listed_at`: null bars every purchase; the worker lists a new account by itself. `in_service`: false where its
    key cannot be opened here, or where Teli refuses it, since `key_refused_at`. `rests_until`: Teli failed again and
    again, so nothing is bought through it until then, and until Teli has answered a read. `key`: null for the
    deployment's own account, whose key is in the environment.
    """

    id: UUID
    name: str
    base_url: str
    teli_tenant_id: str
    mode: Literal["lane", "mark"]
    listed_at: datetime | None
    created_at: datetime
    in_service: bool
    key_refused_at: datetime | None
    rests_until: datetime | None
    key: HeldKey | None


class AccountPage(Page[AccountOut]):
    """Upstream accounts, oldest first."""


async def accounts_of(request: Request) -> Accounts:
    found: Accounts = request.app.state.services.accounts
    return found


AccountsDep = Annotated[Accounts, Depends(accounts_of)]


@router.get("", responses=problems(*AUTH))
async def list_accounts(_: AdminReads, accounts: AccountsDep, limit: Limit = 100, cursor: Cursor = None) -> AccountPage:
    """Upstream accounts, oldest first. No key is shown, only its last four characters."""
    return AccountPage.model_validate(await accounts.page(limit=limit, cursor=cursor))


@router.post("", status_code=201, responses=problems(StateConflict, IdempotencyKeyReused, *AUTH))
async def create_account(author: AuthorOnce, body: AccountCreate, accounts: AccountsDep) -> AccountOut:
    """File a further account, with its key, which is encrypted and shown to nobody.

    Purchases through it begin when the worker has listed what it holds.
    """
    return AccountOut(
        **await accounts.create(
            author,
            name=body.name,
            base_url=body.base_url,
            teli_tenant_id=body.teli_tenant_id,
            key=body.key.get_secret_value(),
        )
    )


@router.get("/{account_id}", responses=problems(NotFound, *AUTH))
async def get_account(account_id: UUID, _: AdminReads, accounts: AccountsDep) -> AccountOut:
    """One upstream account."""
    return AccountOut(**await accounts.one(account_id))


@router.put("/{account_id}", responses=problems(NotFound, StateConflict, *AUTH))
async def put_account(account_id: UUID, author: AuthorDep, body: AccountPut, accounts: AccountsDep) -> AccountOut:
    """Change an account. A key is never sent to another URL than it came with, so another `base_url` needs it anew."""
    changes = body.model_dump(exclude_unset=True)
    if body.key is not None:
        changes["key"] = body.key.get_secret_value()
    return AccountOut(**await accounts.put(author, account_id, changes))


@router.put("/{account_id}/key", responses=problems(NotFound, StateConflict, *AUTH))
async def put_account_key(
    account_id: UUID, author: AuthorDep, body: AccountKeyPut, accounts: AccountsDep
) -> AccountOut:
    """Replace the account's key, without a stop: in use by every process within seconds.

    What is under way ends with the key that it began with, so let Teli take both for some minutes.
    """
    return AccountOut(**await accounts.put(author, account_id, {"key": body.key.get_secret_value()}))
