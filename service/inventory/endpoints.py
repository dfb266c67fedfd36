"""The inventory over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from service.exports.answers import ExportAnswer, streamed, wanted, while_there
from service.exports.errors import ExportsBusy, ExportStorageFull
from service.http.examples import INVENTORIED
from service.http.openapi import problems
from service.http.routes import OwnRoute
from service.inventory.inventory import Inventory
from service.inventory.saved.endpoints import SavedFiltersDep
from service.inventory.saved.errors import FilterOutdated
from service.inventory.schemas import InventoryQuery, NumberPage
from service.inventory.sorting import Sort
from service.kit.errors import NotFound
from service.tenants.auth import CREDENTIALS, NumbersRead
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser

router = APIRouter(prefix="/v1/numbers", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)


async def inventory_of(request: Request) -> Inventory:
    found: Inventory = request.app.state.services.inventory
    return found


InventoryDep = Annotated[Inventory, Depends(inventory_of)]


@router.get(
    "",
    response_model=NumberPage,
    responses={
        200: streamed(INVENTORIED),
        **problems(NotFound, FilterOutdated, NotYourOrganization, NotYourUser, ExportsBusy, ExportStorageFull, *AUTH),
    },
)
async def list_inventory(
    request: Request,
    caller: NumbersRead,
    inventory: InventoryDep,
    saved: SavedFiltersDep,
    query: Annotated[InventoryQuery, Query()],
) -> Response | NumberPage:
    """The numbers that the caller may see and the filters mean, in the order asked for, page by page.

    A tenant's key sees the tenant's numbers; with the scope `inventory:org` also all others of the organisations it
    was granted. An administrator's or operator's sees all.

    With `Accept: text/csv`, `application/x-ndjson` or `application/vnd.apache.parquet` everything that the filters mean
    is exported, in the same order and as of one moment. `limit` and `cursor` do not go with that.
    """
    if query.filter is not None:
        query = await saved.applied(caller, query.filter, query)
    filters, sort = query.filters(), Sort.of(query.sort)
    exported = wanted(request, limit=query.limit, cursor=query.cursor)
    if exported is not None:
        return ExportAnswer(await while_there(request.receive, inventory.export(caller, filters, sort, exported)))
    found = await inventory.page(caller, filters, sort, limit=query.limit or 100, cursor=query.cursor)
    return NumberPage.model_validate(found)
