"""Policies of tenants, over REST."""

from collections.abc import Hashable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, Field, PlainValidator, StrictBool, StrictInt, StrictStr, WithJsonSchema

from service.http.openapi import problems
from service.http.pages import Cursor, Limit, Page
from service.http.routes import OwnRoute
from service.kit.errors import NotFound
from service.kit.phone import AreaCodeRefused, check_area_code
from service.tenants.auth import CREDENTIALS, AdminReads
from service.tenants.endpoints import AUTH, AuthorDep, ListingsDep, TenantPath
from service.tenants.policies import NEVER, Policies
from service.tenants.schemas import ExternalId, Strict

router = APIRouter(prefix="/v1/admin/policies", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)

MOST_AGENTS, MOST_AREA_CODES = 1000, 1000
LONGEST_WRITE_OFF = 10 * 365 * 86_400
HEAVIEST = 100
Item = TypeVar("Item", bound=Hashable)


def _sold(code: str) -> str:
    try:
        return check_area_code(code).code
    except AreaCodeRefused as refused:
        raise ValueError(refused.detail) from None


def _each_once(given: list[Item]) -> list[Item]:
    return list(dict.fromkeys(given))


def _seconds_or_never(given: Any) -> float | str | None:
    if given is None or given == NEVER:
        return given  # type: ignore[no-any-return]
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given <= LONGEST_WRITE_OFF:
        return float(given)
    raise ValueError('must be seconds, ten years at most, "never", or null for the deployment\'s')


DriftRule = Literal["ours_wins", "theirs_wins", "ask"]
Agents = Annotated[list[ExternalId], Field(max_length=MOST_AGENTS), AfterValidator(_each_once)]
AreaCodes = Annotated[
    list[Annotated[StrictStr, AfterValidator(_sold)]], Field(max_length=MOST_AREA_CODES), AfterValidator(_each_once)
]
WRITE_OFF_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_WRITE_OFF},
        {"const": NEVER},
        {"type": "null"},
    ],
    "description": "Seconds after which a purchase that left no trace is presumed not to have bought",
}


class PolicyPut(Strict):
    """Null is the default of each, what is absent stays as it is.

    A list that is null allows any, an empty one none. `orphan_reuse`: a number that a refused purchase of the tenant
    brought after all is given to its next one, instead of buying; the default. `write_off`: the deployment's is the
    default. `drift`: what is done where Teli lists another nickname or agent than is wanted: put ours back, take
    theirs, or ask a person; the default. `order_weight`: how often the tenant has its turn among others that wait for
    what they ordered, to their weights; 1 is the default.
    """

    idempotency_required: StrictBool | None = None
    agents_allowed: Agents | None = None
    area_codes_allowed: AreaCodes | None = None
    orphan_reuse: StrictBool | None = None
    write_off: Annotated[
        float | Literal["never"] | None, PlainValidator(_seconds_or_never), WithJsonSchema(WRITE_OFF_SCHEMA)
    ] = None
    drift: DriftRule | None = None
    order_weight: Annotated[StrictInt | None, Field(ge=1, le=HEAVIEST)] = None


class PolicyOut(BaseModel):
    """The policy of a tenant; null is the default of each."""

    tenant_id: str
    idempotency_required: bool
    agents_allowed: list[str] | None
    area_codes_allowed: list[str] | None
    orphan_reuse: bool
    write_off: float | Literal["never"] | None
    drift: DriftRule
    order_weight: int


class PolicyPage(Page[PolicyOut]):
    """Policies, by tenant."""


async def policies_of(request: Request) -> Policies:
    found: Policies = request.app.state.services.policies
    return found


PoliciesDep = Annotated[Policies, Depends(policies_of)]


@router.get("", responses=problems(*AUTH))
async def list_policies(_: AdminReads, listings: ListingsDep, limit: Limit = 100, cursor: Cursor = None) -> PolicyPage:
    """Policies, by tenant: every tenant has one."""
    return PolicyPage.model_validate(await listings.policies(limit=limit, cursor=cursor))


@router.get("/{tenant_id}", responses=problems(NotFound, *AUTH))
async def get_policy(tenant_id: TenantPath, _: AdminReads, policies: PoliciesDep) -> PolicyOut:
    """What one tenant may buy and link, and how."""
    return PolicyOut.model_validate(await policies.get(tenant_id))


@router.put("/{tenant_id}", responses=problems(NotFound, *AUTH))
async def put_policy(tenant_id: TenantPath, author: AuthorDep, body: PolicyPut, policies: PoliciesDep) -> PolicyOut:
    """Change a tenant's policy, in force on every replica within a second.

    Numbers that are held and agents that are linked stay as they are.
    """
    return PolicyOut.model_validate(await policies.put(author, tenant_id, body.model_dump(exclude_unset=True)))
