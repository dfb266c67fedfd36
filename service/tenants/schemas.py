"""What administrators send and get."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictStr

from service.kit.clock import utc_now
from service.kit.text import plain
from service.tenants.administration import KEY_SCOPES, TENANT_SCOPES

PlainText = Annotated[StrictStr, AfterValidator(plain)]
Name = Annotated[PlainText, Field(min_length=1, max_length=200)]
ExternalId = Annotated[PlainText, Field(min_length=1, max_length=128)]
LONGEST_LIFE = timedelta(days=36_525)
TENANT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"


def _known_scope(scope: str) -> str:
    if scope not in KEY_SCOPES:
        raise ValueError(f"is not a scope; there are {', '.join(KEY_SCOPES)}")
    if scope not in TENANT_SCOPES:
        raise ValueError(f"cannot be given to a tenant's key; it can hold {', '.join(TENANT_SCOPES)}")
    return scope


def _ahead(moment: datetime) -> datetime:
    try:
        left = moment - utc_now()
    except OverflowError:  # The edge of the calendar in a zone beyond it.
        left = timedelta.max
    if not timedelta(0) < left <= LONGEST_LIFE:
        raise ValueError("must lie ahead, by a hundred years at most")
    return moment


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class OrganizationPut(Strict):
    name: Name | None = None


class OrganizationOut(BaseModel):
    id: str
    name: str | None


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


class TenantPut(Strict):
    name: Name | None = None
    organization_ids: Annotated[list[ExternalId], Field(max_length=1000)] | None = None


class TenantOut(BaseModel):
    id: str
    name: str
    organization_ids: list[str]


class KeyCreate(Strict):
    name: Name
    scopes: Annotated[list[Annotated[StrictStr, AfterValidator(_known_scope)]], Field(min_length=1, max_length=20)] = (
        Field(examples=[["numbers:create", "numbers:read"]])
    )
    expires_at: Annotated[AwareDatetime, AfterValidator(_ahead)] | None = Field(None, examples=["2030-01-01T00:00:00Z"])


class KeyRotate(Strict):
    overlap_seconds: Annotated[float, Field(strict=True, ge=0, le=30 * 86400, allow_inf_nan=False)] = 3600


class KeyOut(BaseModel):
    """The `key` is shown this once."""

    id: UUID
    key: str
    name: str
    scopes: list[str]
    expires_at: datetime | None
