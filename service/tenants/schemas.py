"""What administrators send and get."""

from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
)

from service.http.pages import Moment, Page
from service.kit.clock import utc_now
from service.kit.networks import read_network
from service.kit.text import plain
from service.tenants.administration import KEY_SCOPES, TENANT_SCOPES, KeyLimits, TenantState
from service.tenants.listings import KeyKind, KeyState

# Of an organisation, a user or a tenant, as Teli names them.
LONGEST_ID = 128
PlainText = Annotated[StrictStr, AfterValidator(plain)]
Name = Annotated[PlainText, Field(min_length=1, max_length=200)]
ExternalId = Annotated[PlainText, Field(min_length=1, max_length=LONGEST_ID)]
Spoken = StringConstraints(strict=True, strip_whitespace=True, min_length=3, max_length=1000)
Reason = Annotated[str, Spoken, AfterValidator(plain), Field(examples=["seen in the dashboard"])]
LONGEST_LIFE = timedelta(days=36_525)
TENANT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"


def _known_scope(scope: str) -> str:
    if scope not in KEY_SCOPES:
        raise ValueError(f"is not a scope; there are {', '.join(KEY_SCOPES)}")
    if scope not in TENANT_SCOPES:
        raise ValueError(f"cannot be given to a tenant's key; it can hold {', '.join(TENANT_SCOPES)}")
    return scope


def _ahead(moment: datetime) -> datetime:
    if not timedelta(0) < moment - utc_now() <= LONGEST_LIFE:
        raise ValueError("must lie ahead, by a hundred years at most")
    return moment


Item = TypeVar("Item")


def _some(items: list[Item] | None) -> list[Item] | None:
    """Each once. Raises: ValueError for none, which would read as nothing to one and as everything to another."""
    if items == []:
        raise ValueError("must name at least one; leave it out, or send null, for no limit")
    return items and list(dict.fromkeys(items))


Ids = Annotated[list[ExternalId] | None, Field(max_length=100), AfterValidator(_some)]
Networks = Annotated[
    list[Annotated[StrictStr, AfterValidator(lambda text: str(read_network(text)))]] | None,
    Field(max_length=100),
    AfterValidator(_some),
]
STATES = "suspended: buys nothing new, all else goes on; closed, for good: its keys are no keys any more"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


BOUND = "its numbers are bought through this account; null: through that of the tenant that buys"


def kept(value: Any) -> Any:
    """Raises: ValueError for null, which would be read as a change by one and as none by another."""
    if value is None:
        raise ValueError("must not be null; leave it out to keep it as it is")
    return value


Kept = AfterValidator(kept)


class OrganizationPut(Strict):
    name: Name | None = Field(None, description="null: none; absent: as it is")
    account_id: UUID | None = Field(None, description=f"{BOUND}; absent: as it is")


class OrganizationOut(BaseModel):
    id: str
    name: str | None
    account_id: UUID | None = Field(description=BOUND)


class OrganizationFiled(OrganizationOut):
    created: bool = Field(description="Whether it was not there before; true for a mistyped id too")


class UserPut(Strict):
    name: Name | None = None
    email: Annotated[PlainText, Field(min_length=3, max_length=320)] | None = None
    exclusive: StrictBool = False


class UserOut(BaseModel):
    id: str
    organization_id: str
    name: str | None
    email: str | None
    exclusive: bool


class UserFiled(UserOut):
    created: bool = Field(description="Whether it was not there before; true for a mistyped id too")


class SyncOut(BaseModel):
    """How many were filed anew, changed, and left as they were; and how many are filed that Teli does not name."""

    added: int
    changed: int
    unchanged: int
    not_at_teli: int


class TenantPut(Strict):
    """What is absent stays as it is."""

    name: Annotated[Name | None, Kept] = None
    organization_ids: Annotated[Annotated[list[ExternalId], Field(max_length=1000)] | None, Kept] = None
    state: Annotated[TenantState | None, Kept] = Field(None, description=STATES)
    account_id: Annotated[UUID | None, Kept] = Field(None, description="it buys through this account from now on")
    confirm_numbers_held: Annotated[StrictInt, Field(ge=0)] | None = Field(
        None, description="Of a tenant that is to be closed and holds numbers: how many, as `numbers_held` tells"
    )


class TenantOut(BaseModel):
    id: str
    name: str
    organization_ids: list[str]
    state: TenantState = Field(description=STATES)
    account_id: UUID


class TenantShown(TenantOut):
    numbers_held: int = Field(description="Its numbers, as its quota counts them")


class TenantFiled(TenantShown):
    created: bool = Field(description="Whether it was not there before")


class TenantPage(Page[TenantOut]):
    """Tenants, by id."""


class OrganizationPage(Page[OrganizationOut]):
    """Organisations, by id."""


class UserPage(Page[UserOut]):
    """Users of an organisation, by id."""


class KeyCreate(Strict):
    name: Name
    scopes: Annotated[
        list[Annotated[StrictStr, AfterValidator(_known_scope)]],
        Field(min_length=1, max_length=20),
        AfterValidator(lambda scopes: list(dict.fromkeys(scopes))),
    ] = Field(examples=[["numbers:create", "numbers:read"]])
    expires_at: Annotated[Moment, AfterValidator(_ahead)] | None = Field(None, examples=["2030-01-01T00:00:00Z"])
    organization_ids: Ids = Field(None, description="Of those granted to the tenant; null is all of them")
    user_ids: Ids = Field(None, description="Of these organisations; null is all of them")
    networks: Networks = Field(None, description="CIDR, IPv4 or IPv6, that it may be used from; null is anywhere")

    @property
    def limits(self) -> KeyLimits:
        named = (self.organization_ids, self.user_ids, self.networks)
        return KeyLimits(*(None if one is None else tuple(one) for one in named))


class KeyRotate(Strict):
    overlap_seconds: Annotated[float, Field(strict=True, ge=0, le=30 * 86400, allow_inf_nan=False)] = 3600


class Limited(BaseModel):
    """What a key is limited to beside its scopes; null is no limit."""

    organization_ids: list[str] | None
    user_ids: list[str] | None
    networks: list[str] | None


class KeyOut(Limited):
    """The `key` is shown this once: in a replay it is null."""

    id: UUID
    key: str | None
    name: str
    scopes: list[str]
    expires_at: datetime | None


class ListedKey(Limited):
    """`hint` is the key's last four characters; `rotated_to` the id of the key that took its place.

    `last_used_at` and `last_used_from`, an address, follow within seconds.
    """

    id: UUID
    kind: KeyKind
    tenant_id: str | None
    name: str
    hint: str
    scopes: list[str]
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_to: UUID | None
    last_used_at: datetime | None
    last_used_from: str | None


class KeyPage(Page[ListedKey]):
    """API keys, newest first."""
