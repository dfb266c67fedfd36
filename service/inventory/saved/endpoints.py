"""Saved filters over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from service.http.conditions import EtagMismatch, IfMatch, IfNoneMatch, etag_of
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.routes import OwnRoute
from service.inventory.saved.filters import SavedFilters, revision_of
from service.inventory.saved.schemas import SavedFilterIn, SavedFilterOut, SavedFilterPage
from service.kit.errors import NotFound, StateConflict
from service.tenants.auth import CREDENTIALS, NumbersRead
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser

router = APIRouter(prefix="/v1/filters", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)
TAGGED = {"headers": {"ETag": {"description": "For `If-Match`", "schema": {"type": "string"}}}}


async def saved_filters(request: Request) -> SavedFilters:
    found: SavedFilters = request.app.state.services.saved_filters
    return found


SavedFiltersDep = Annotated[SavedFilters, Depends(saved_filters)]


@router.post(
    "",
    status_code=201,
    response_model=SavedFilterOut,
    responses=problems(NotYourOrganization, NotYourUser, StateConflict, *AUTH) | {201: TAGGED},
)
async def create_filter(
    body: SavedFilterIn, caller: NumbersRead, saved: SavedFiltersDep, request_id: RequestId
) -> Response:
    """Keep filters and an order of the inventory under a name, for oneself or shared in an organisation."""
    return _shown(await saved.create(caller, body.wanted(), request_id), status=201)


@router.get("", responses=problems(*AUTH))
async def list_filters(
    caller: NumbersRead, saved: SavedFiltersDep, limit: Limit = 100, cursor: Cursor = None
) -> SavedFilterPage:
    """One's own, and those that are shared in organisations that one is granted or sees; by name."""
    return SavedFilterPage.model_validate(await saved.page(caller, limit=limit, cursor=cursor))


@router.get(
    "/{filter_id}",
    response_model=SavedFilterOut,
    responses=problems(NotFound, *AUTH) | {200: TAGGED, 304: {"description": "It still has that ETag"}},
)
async def get_filter(filter_id: UUID, caller: NumbersRead, saved: SavedFiltersDep, known: IfNoneMatch) -> Response:
    """One saved filter. `GET /v1/numbers?filter=` with its id lists by it."""
    return _shown(await saved.get(caller, filter_id), known=known)


@router.put(
    "/{filter_id}",
    response_model=SavedFilterOut,
    responses=problems(NotFound, NotYourOrganization, NotYourUser, StateConflict, EtagMismatch, *AUTH) | {200: TAGGED},
)
async def put_filter(
    filter_id: UUID,
    body: SavedFilterIn,
    caller: NumbersRead,
    saved: SavedFiltersDep,
    request_id: RequestId,
    if_match: IfMatch,
) -> Response:
    """Replace a saved filter: by whose it is, or by an administrator of the organisation in which it is shared.

    With `If-Match` only while nobody has changed it since.
    """
    found = await saved.replace(caller, filter_id, body.wanted(), if_match=if_match, request_id=request_id)
    return _shown(found)


@router.delete("/{filter_id}", status_code=204, responses=problems(NotFound, EtagMismatch, *AUTH))
async def delete_filter(
    filter_id: UUID, caller: NumbersRead, saved: SavedFiltersDep, request_id: RequestId, if_match: IfMatch
) -> Response:
    """Delete a saved filter, as it may be replaced."""
    await saved.delete(caller, filter_id, if_match=if_match, request_id=request_id)
    return Response(status_code=204)


def _shown(found: dict[str, Any], *, status: int = 200, known: IfNoneMatch = None) -> Response:
    content = SavedFilterOut.model_validate(found).model_dump_json()
    headers = {"ETag": etag_of(revision_of(found), content)}
    if known is not None and known.know(headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if status == 201:
        headers["Location"] = f"/v1/filters/{found['id']}"
    return Response(content, status, headers, "application/json")
