"""Teli's paths of numbers, and operations."""

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.http.context import request_id_of
from service.http.openapi import problems
from service.http.params import StrictQuery, Warnings
from service.http.prefer import Patience
from service.idempotency.keys import Ask, IdempotencyKeyRequired, IdempotencyKeyReused, fingerprint, parse_key
from service.kit.errors import Fault, InvalidRequest, NotFound
from service.kit.phone import E164, NotAPhoneNumber, path_number
from service.kit.types import OrganizationId
from service.numbers.changes import Change
from service.numbers.errors import (
    Draining,
    InvalidAreaCode,
    LaneBusy,
    NoNumbersAvailable,
    PurchasesStopped,
    StateConflict,
    UnknownUser,
    UpstreamRefused,
    UpstreamUnavailable,
)
from service.numbers.follow_ups import operation_state
from service.numbers.listing import Query as ListingQuery
from service.numbers.models import Step
from service.numbers.provisioning import Answered, Pending
from service.numbers.release import AlreadyReleased, released_body
from service.numbers.schemas import (
    NumberBought,
    NumberCreate,
    NumberReleased,
    NumberUpdate,
    NumberUpdated,
    OperationOut,
    PendingOut,
    TeliListing,
)
from service.numbers.services import NumberServices
from service.quotas.errors import QuotaExceeded
from service.tenants.auth import CREDENTIALS, AgentsLink, NumbersCreate, NumbersRead, NumbersRelease
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourTenant, Principal

router = APIRouter(prefix="/v1/voice/phone-numbers", tags=["numbers"], dependencies=CREDENTIALS)
operations_router = APIRouter(prefix="/v1/operations", tags=["operations"], dependencies=[*CREDENTIALS, StrictQuery])


def number_services(request: Request) -> NumberServices:
    found: NumberServices = request.app.state.services.numbers
    return found


def request_id(request: Request) -> str:
    return request_id_of(request.scope)


def number_in_path(
    phone_number: Annotated[str, Path(description="E.164; `+` raw or as %2B", examples=["+13135550142"])],
) -> E164:
    """Raises: InvalidRequest for what is no phone number of the North American plan."""
    try:
        return path_number(phone_number)
    except NotAPhoneNumber as error:
        raise InvalidRequest(Fault("phone_number", str(error))) from None


NumberServicesDep = Annotated[NumberServices, Depends(number_services)]
RequestId = Annotated[str, Depends(request_id)]
PathNumber = Annotated[E164, Depends(number_in_path)]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", description="The same on every retry of one request; 1 to 255 printable characters"),
]
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": PendingOut,
        "description": "Not known yet; poll the operation.",
        "headers": {"Location": {"description": "The operation's path", "schema": {"type": "string"}}},
    }
}


def organization_of(caller: Principal, asked: str | None) -> OrganizationId:
    """The organisation a purchase is for.

    Raises: NotYourOrganization; InvalidRequest where none was named and it is not the only one.
    """
    if asked is None:
        if len(caller.organization_ids) == 1:
            return caller.organization_ids[0]
        count = len(caller.organization_ids)
        raise InvalidRequest(Fault("/organization_id", f"is required: your tenant may buy for {count} organisations"))
    if asked not in caller.organization_ids:
        raise NotYourOrganization
    return OrganizationId(asked)


def accepted(operation_id: UUID, state: str) -> Response:
    body = {"success": False, "pending": True, "operation_id": str(operation_id), "state": state}
    return Response(
        orjson.dumps(body),
        status_code=202,
        media_type="application/json",
        headers={"Location": f"/v1/operations/{operation_id}", "Retry-After": "2"},
    )


@router.post(
    "/create",
    response_model=NumberBought,
    responses=problems(
        InvalidAreaCode, UnknownUser, IdempotencyKeyRequired, NotYourOrganization, NotYourTenant, NoNumbersAvailable,
        IdempotencyKeyReused, QuotaExceeded, UpstreamRefused, UpstreamUnavailable, LaneBusy, PurchasesStopped, Draining,
        *AUTH,
    ) | ACCEPTED,
)  # fmt: skip
async def create_number(
    caller: NumbersCreate,
    body: NumberCreate,
    services: NumberServicesDep,
    patience: Patience,
    request_id: RequestId,
    unknown: Warnings,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Buy one number in an area code for a user of the caller's organisation.

    With an `Idempotency-Key` a retry gets the first request's answer, for the life of the number and 90 days more.
    """
    key = parse_key(idempotency_key)
    if key is None and caller.idempotency_required:
        raise IdempotencyKeyRequired
    if body.tenant_id not in (None, caller.tenant, caller.teli_tenant_id):
        raise NotYourTenant
    wish = body.wish(organization_of(caller, body.organization_id))
    ask = Ask(key, fingerprint(body.model_dump(exclude_unset=True)))
    outcome = await services.provisioning.buy(caller, wish, ask, within=patience, request_id=request_id)
    return bought(outcome)


def bought(outcome: Answered | Pending) -> Response:
    if isinstance(outcome, Pending):
        return accepted(outcome.operation_id, outcome.state)
    headers = dict(outcome.answer.headers)
    if outcome.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(outcome.answer.body, status_code=outcome.answer.status, headers=headers)


@router.get("", response_model=TeliListing, responses=problems(NotYourOrganization, *AUTH))
async def list_numbers(
    caller: NumbersRead,
    services: NumberServicesDep,
    warnings: Warnings,
    user_id: Annotated[str, Query(min_length=1, max_length=128)],
    organization_id: Annotated[str, Query(min_length=1, max_length=128)],
    is_admin: Annotated[bool, Query(description="The whole organisation; needs the scope inventory:org")] = False,
    phone_type: Annotated[str, Query(pattern="^(voice|sms)$")] = "voice",
    limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """One user's numbers, or with `is_admin` the whole organisation's. Without `limit` all of them, streamed."""
    if is_admin:
        caller.need("inventory:org")
    may_see = caller.sees_organization(organization_id)
    if (is_admin and not may_see) or not (may_see or organization_id in caller.organization_ids):
        raise NotYourOrganization
    if cursor is not None and limit is None:
        raise InvalidRequest(Fault("limit", "is required with cursor"))
    query = ListingQuery(organization_id, user_id, whole=is_admin)
    if phone_type == "sms":
        return _json({"success": True, "phone_numbers": [], "count": 0, "powered_by": "Teli"})
    if limit is None:
        pieces = await services.listings.stream(caller, query, warnings)
        return StreamingResponse(pieces, media_type="application/json")
    rows, next_cursor = await services.listings.page(caller, query, limit=limit, cursor=cursor)
    page = {"success": True, "phone_numbers": rows, "count": len(rows), "powered_by": "Teli", "next_cursor": next_cursor}
    return _json(page | ({"warnings": warnings} if warnings else {}))


@router.post(
    "/{phone_number}/update-agent",
    response_model=NumberUpdated,
    responses=problems(NotFound, StateConflict, UpstreamRefused, *AUTH) | ACCEPTED,
)
async def update_agent(
    phone_number: PathNumber,
    caller: AgentsLink,
    body: NumberUpdate,
    services: NumberServicesDep,
    patience: Patience,
    request_id: RequestId,
    unknown: Warnings,
) -> Response:
    """Link agents to a number, or rename it. What is wanted is kept and sent to Teli until confirmed."""
    given = body.model_fields_set & set(NumberUpdate.model_fields)
    if not given:
        fields = ", ".join(NumberUpdate.model_fields)
        raise InvalidRequest(Fault("", f"needs at least one of {fields}"))
    change = Change(frozenset(given), body.nickname, body.inbound_agent_id, body.outbound_agent_id)
    step_id = await services.changes.want(caller, phone_number, change, request_id=request_id)
    step = await services.follow_ups.run_now(caller.tenant, step_id, within=services.patience(patience))
    if step.state == "failed":
        raise UpstreamRefused((step.answer or {}).get("said"))
    if step.state != "done" or step.answer is None:
        return accepted(step.id, operation_state(step))
    told = orjson.loads(step.answer["body"]) | {"operation_id": str(step.id)}
    for name in set(NumberUpdate.model_fields) - given:
        told.pop(name, None)
    warnings = [f"{name}: not a field of this request, ignored" for name in body.ignored()] + unknown
    return _json(told | ({"warnings": warnings} if warnings else {}))


@router.delete(
    "/{phone_number}",
    response_model=NumberReleased,
    responses=problems(NotFound, StateConflict, *AUTH) | ACCEPTED,
)
async def release_number(
    phone_number: PathNumber,
    caller: NumbersRelease,
    services: NumberServicesDep,
    patience: Patience,
    request_id: RequestId,
    unknown: Warnings,
    id: Annotated[UUID | None, Query(description="Which acquisition, where an E.164 was held twice")] = None,
) -> Response:
    """Release a number now, for good. Asking again is harmless."""
    outcome = await services.release.begin(caller, phone_number, acquisition=id, request_id=request_id)
    if isinstance(outcome, AlreadyReleased):
        return _json(released_body(outcome.number_id, phone_number, outcome.released_at, again=True))
    step: Step = await services.follow_ups.run_now(
        caller.tenant, outcome.step_id, within=services.patience(patience)
    )
    if step.state != "done" or step.answer is None:
        return accepted(step.id, operation_state(step))
    await services.gate.freed(caller.tenant)
    return _json(orjson.loads(step.answer["body"]) | {"operation_id": str(step.id)})


@operations_router.get("/{operation_id}", responses=problems(NotFound, *AUTH))
async def get_operation(
    operation_id: UUID,
    caller: NumbersRead,
    services: NumberServicesDep,
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the outcome")] = 0,
) -> OperationOut:
    """How a purchase, a change or a release stands."""
    return OperationOut(**await services.operations.get(caller, operation_id, wait=wait))


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
