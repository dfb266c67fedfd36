"""The audit log, over REST: page by page, or exported whole."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, Field

from service.audit.actions import ACTIONS, ObjectKind, known_action
from service.audit.log import AuditLog, Filters
from service.http.accept import JSON, accept_of, preferred
from service.http.openapi import problems
from service.http.pages import NDJSON, Cursor, Limit, Moment, Page
from service.http.routes import OwnRoute
from service.kit.errors import Fault, InvalidRequest, StateConflict
from service.kit.text import plain
from service.tenants.auth import CREDENTIALS, AdminReads
from service.tenants.endpoints import AUTH, ListingsDep

router = APIRouter(prefix="/v1/admin", tags=["administration"], dependencies=CREDENTIALS, route_class=OwnRoute)


class AuditItem(BaseModel):
    """One entry. `seq` and `hash` are its place in the chain; null until it is chained, a moment after."""

    id: int
    at: datetime
    tenant_id: str | None
    actor: str = Field(description="`key:` and the key's id; `worker`, or `command line`")
    action: str
    object_kind: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
    seq: int | None
    hash: str | None


class AuditPage(Page[AuditItem]):
    """Audit entries, newest first."""


async def audit_log(request: Request) -> AuditLog:
    found: AuditLog = request.app.state.services.audit_log
    return found


Exactly = Annotated[str | None, AfterValidator(lambda text: text and plain(text)), Query(min_length=1, max_length=300)]


async def filters(
    actor: Exactly = None,
    action: Annotated[
        Exactly, AfterValidator(lambda name: name and known_action(name)), Query(json_schema_extra={"enum": [*ACTIONS]})
    ] = None,
    object_kind: ObjectKind | None = None,
    object_id: Exactly = None,
    tenant_id: Exactly = None,
    request_id: Exactly = None,
    after: Annotated[Moment | None, Query(description="Only what was noted later")] = None,
    before: Annotated[Moment | None, Query(description="Only what was noted earlier")] = None,
) -> Filters:
    if after is not None and before is not None and after >= before:
        raise InvalidRequest(Fault("before", "must be later than after; swap the two"))
    return Filters(actor, action, object_kind, object_id, tenant_id, request_id, after, before)


STREAMED = {
    "description": "A page; or, where `Accept` asks for it, everything, a JSON object a line",
    "content": {
        NDJSON: {"schema": {"type": "string", "description": "Lines of `seq`, `previous_hash`, `hash`, `entry`"}}
    },
}


@router.get("/audit", response_model=AuditPage, responses={200: STREAMED, **problems(StateConflict, *AUTH)})
async def list_audit(
    request: Request,
    _: AdminReads,
    log: Annotated[AuditLog, Depends(audit_log)],
    listings: ListingsDep,
    filters: Annotated[Filters, Depends(filters)],
    limit: Limit | None = None,
    cursor: Cursor = None,
) -> Response | AuditPage:
    """Who changed what, when, and how it stood before and after; and who tried what they may not. Newest first.

    With `Accept: application/x-ndjson` everything that the filters mean is exported, in the order of the chain, as
    `numbergate audit verify --file` reads it. `limit` and `cursor` do not go with that.
    """
    await listings.check_tenant(filters.tenant_id)
    if preferred(accept_of(request.scope), (JSON, NDJSON)) != NDJSON:
        return AuditPage.model_validate(await log.page(filters, limit=limit or 100, cursor=cursor))
    paged = [name for name, value in (("limit", limit), ("cursor", cursor)) if value is not None]
    if paged:
        raise InvalidRequest(*(Fault(name, f"does not go with {NDJSON}, which is everything") for name in paged))
    export = await log.export(filters)
    headers = {"Content-Length": str(export.size), "Content-Disposition": 'attachment; filename="audit.ndjson"'}
    return StreamingResponse(export.pieces(), media_type=NDJSON, headers=headers)
