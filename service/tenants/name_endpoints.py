"""Names of ids over REST."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AfterValidator, BaseModel, Field

from service.http.openapi import problems
from service.http.routes import OwnRoute
from service.kit.text import plain
from service.tenants.auth import CREDENTIALS, holding
from service.tenants.endpoints import AUTH
from service.tenants.names import Named, Names
from service.tenants.principals import Principal

# Ids of a kind that one call takes, and their letters with the commas.
MOST, LONGEST = 100, 4_000
router = APIRouter(prefix="/v1/names", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)


def _few(text: str) -> str:
    if text.count(",") >= MOST:
        raise ValueError(f"must name {MOST} at most")
    return plain(text)


Ids = Annotated[
    str | None,
    AfterValidator(lambda text: text and _few(text)),
    Query(description=f"Ids with commas between, {MOST} at most", max_length=LONGEST),
]
Reader = Annotated[Principal, Depends(holding("numbers:read", "admin:read", "operator:read", "billing:read"))]


class NamesOut(BaseModel):
    """By id; what has no name, is not there, or is not the caller's to see, is left out."""

    tenants: dict[str, str]
    organizations: dict[str, str]
    users: dict[str, str] = Field(description="Or their email, for whoever acts for no tenant")


async def names_of(request: Request) -> Names:
    found: Names = request.app.state.services.names
    return found


@router.get("", responses=problems(*AUTH))
async def get_names(
    caller: Reader,
    names: Annotated[Names, Depends(names_of)],
    tenant_id: Ids = None,
    organization_id: Ids = None,
    user_id: Ids = None,
) -> NamesOut:
    """What tenants, organisations and users are called that other answers name by their ids."""
    asked = Named(*(tuple(text.split(",")) if text else () for text in (tenant_id, organization_id, user_id)))
    return NamesOut.model_validate(await names.of(caller, asked))
