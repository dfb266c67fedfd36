"""The inventory over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator

from service.exports.answers import ExportAnswer, streamed, wanted, while_there
from service.exports.errors import ExportsBusy, ExportStorageFull
from service.http.examples import INVENTORIED
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.routes import OwnRoute
from service.inventory.inventory import Inventory
from service.inventory.repository import Filters
from service.inventory.schemas import STATES_PATTERN, NumberPage, known_states
from service.kit.text import plain
from service.tenants.auth import CREDENTIALS, NumbersRead
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser

router = APIRouter(prefix="/v1/numbers", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)


def inventory_of(request: Request) -> Inventory:
    found: Inventory = request.app.state.services.inventory
    return found


InventoryDep = Annotated[Inventory, Depends(inventory_of)]
Named = Annotated[str | None, AfterValidator(lambda text: text and plain(text)), Query(min_length=1, max_length=128)]
States = Annotated[
    str | None,
    AfterValidator(lambda text: text if text is None else known_states(text)),
    Query(
        description="One or several, separated by commas; without it all but `released`",
        max_length=200,
        json_schema_extra={"pattern": STATES_PATTERN},
        examples=["active,missing"],
    ),
]


@router.get(
    "",
    response_model=NumberPage,
    responses={
        200: streamed(INVENTORIED),
        **problems(NotYourOrganization, NotYourUser, ExportsBusy, ExportStorageFull, *AUTH),
    },
)
async def list_inventory(
    request: Request,
    caller: NumbersRead,
    inventory: InventoryDep,
    organization_id: Named = None,
    tenant_id: Named = None,
    user_id: Named = None,
    state: States = None,
    limit: Limit | None = None,
    cursor: Cursor = None,
) -> Response | NumberPage:
    """The numbers that the caller may see, oldest acquisition first, page by page.

    A tenant's key sees the tenant's numbers; with the scope `inventory:org` also all others of the organisations it
    was granted. An administrator's or operator's sees all.

    With `Accept: text/csv`, `application/x-ndjson` or `application/vnd.apache.parquet` everything that the filters mean
    is exported, in the same order and as of one moment. `limit` and `cursor` do not go with that.
    """
    filters = Filters(organization_id, tenant_id, user_id, tuple(set(state.split(","))) if state else None)
    exported = wanted(request, limit=limit, cursor=cursor)
    if exported is not None:
        return ExportAnswer(await while_there(request.receive, inventory.export(caller, filters, exported)))
    return NumberPage.model_validate(await inventory.page(caller, filters, limit=limit or 100, cursor=cursor))
