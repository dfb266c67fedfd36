"""Teli's paths of numbers, and operations."""

from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator

from service.http.connection import watched
from service.http.openapi import problems
from service.http.pages import Cursor
from service.http.params import RequestId, Warnings
from service.http.prefer import Patience
from service.http.problems import MEDIA_TYPE
from service.http.routes import OwnRoute, TeliRoute
from service.idempotency.asking import IdempotencyKey
from service.idempotency.keys import (
    Ask,
    IdempotencyKeyInProgress,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    fingerprint,
)
from service.idempotency.once import UNKEYED, Once
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.phone import E164, path_number
from service.kit.text import plain
from service.kit.types import OrganizationId
from service.numbers.errors import (
    Draining,
    InvalidAreaCode,
    LaneBusy,
    NoNumbersAvailable,
    PurchasesStopped,
    UnknownUser,
    UpstreamRefused,
    UpstreamUnavailable,
)
from service.numbers.follow_ups import operation_state
from service.numbers.listing import Query as ListingQuery
from service.numbers.models import Step
from service.numbers.purchases import Answered, Pending
from service.numbers.release import released_body
from service.numbers.repository import AlreadyReleased, Change
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
from service.quotas.errors import QuotaExceeded, RateLimited, tightest_headers
from service.quotas.turns import Entered
from service.tenants.auth import (
    CREDENTIALS,
    Again,
    AgentsLink,
    NumbersCreate,
    NumbersRead,
    NumbersRelease,
    again_holding,
)
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser, Principal
from service.tenants.schemas import LONGEST_ID

router = APIRouter(prefix="/v1/voice/phone-numbers", tags=["numbers"], dependencies=CREDENTIALS, route_class=TeliRoute)
# Creates take their turn by themselves, in the question whether they are replays.
create_router = APIRouter(
    prefix="/v1/voice/phone-numbers", tags=["numbers"], dependencies=CREDENTIALS, route_class=TeliRoute
)
operations_router = APIRouter(
    prefix="/v1/operations", tags=["operations"], dependencies=CREDENTIALS, route_class=OwnRoute
)


async def number_services(request: Request) -> NumberServices:
    found: NumberServices = request.app.state.services.numbers
    return found


NumberServicesDep = Annotated[NumberServices, Depends(number_services)]
# The vendor page's own examples.
ORGANIZATION, USER = "1762896364768x389173798861431550", "1762896366429x599348279945132448"
PathNumber = Annotated[
    E164, AfterValidator(path_number), Path(description="E.164; `+` raw or as %2B", examples=["+13135550142"])
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


def accepted(operation_id: UUID, state: str, **more: Any) -> Response:
    body = {"success": False, "pending": True, "operation_id": str(operation_id), "state": state}
    return Response(
        orjson.dumps(body | more),
        status_code=202,
        media_type="application/json",
        headers={"Location": f"/v1/operations/{operation_id}", "Retry-After": "2"},
    )


@create_router.post(
    "/create",
    response_model=NumberBought,
    responses=problems(
        InvalidAreaCode, UnknownUser, IdempotencyKeyRequired, NotYourOrganization, NotYourUser, NoNumbersAvailable,
        IdempotencyKeyInProgress, IdempotencyKeyReused, QuotaExceeded, RateLimited, UpstreamRefused,
        UpstreamUnavailable, LaneBusy, PurchasesStopped, Draining, *AUTH,
    ) | ACCEPTED,
)  # fmt: skip
async def create_number(
    entry: Entered,
    request: Request,
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
    Without one, a request equal to one whose answer was a 202 or was never delivered takes that purchase over, within
    ten minutes and once; its answer says `joined`. Any other buys anew.
    """
    if idempotency_key is None and caller.idempotency_required:
        raise IdempotencyKeyRequired
    caller.check_tenant_id(body.tenant_id)
    caller.check_user(body.user_id)
    ask = Ask(idempotency_key, fingerprint(_said(caller, body)))
    async with watched(request) as gone:
        try:
            wish = body.wish(organization_of(caller, body.organization_id), unknown)
        except (InvalidRequest, NotYourOrganization):
            # Grants may have changed since this key was first used: what was answered then still holds, for who may
            # know of it.
            if not caller.bounds.may_be_of(body.organization_id):
                raise
            known = await services.provisioning.known(caller, ask, within=patience, gone=gone)
            if known is None:
                raise
            return bought(known)
        outcome = await services.provisioning.buy(
            caller, wish, ask, entry, within=patience, gone=gone, request_id=request_id
        )
    return bought(outcome)


def _said(caller: Principal, body: NumberCreate) -> dict[str, Any]:
    """What tells one create from another. Of a key that is limited to organisations the one that it means is said too,
    also where the body does not: the same body may mean another one with another key of the tenant.
    """
    said = body.model_dump(exclude_unset=True)
    if caller.bounds.organizations is not None and body.organization_id is None and len(caller.organization_ids) == 1:
        [said["organization_id"]] = caller.organization_ids
    return said


def bought(outcome: Answered | Pending) -> Response:
    joined = {"joined": True} if outcome.joined else {}
    if isinstance(outcome, Pending):
        answer = accepted(outcome.operation_id, outcome.state, **joined)
    else:
        body = outcome.answer.body.encode()
        if joined:
            body = orjson.dumps(orjson.loads(body) | joined)
        answer = Response(body, outcome.answer.status, outcome.answer.headers)
        if outcome.replayed:
            answer.headers["Idempotent-Replayed"] = "true"
    if outcome.tightest is not None:
        answer.headers.update(tightest_headers(outcome.tightest))
    return answer


@router.get("", response_model=TeliListing, responses=problems(NotYourOrganization, NotYourUser, *AUTH))
async def list_numbers(
    caller: NumbersRead,
    services: NumberServicesDep,
    warnings: Warnings,
    user_id: Annotated[str, AfterValidator(plain), Query(min_length=1, max_length=LONGEST_ID, examples=[USER])],
    organization_id: Annotated[
        str, AfterValidator(plain), Query(min_length=1, max_length=LONGEST_ID, examples=[ORGANIZATION])
    ],
    is_admin: Annotated[bool, Query(description="The whole organisation; needs the scope inventory:org")] = False,
    phone_type: Literal["voice", "sms"] = "voice",
    limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    cursor: Cursor = None,
) -> Response:
    """One user's numbers, or with `is_admin` the whole organisation's. Without `limit` all of them, streamed.

    `count` is that of the rows in this very answer, with a `limit` those of the page: a client that checks one against
    the other, as with Teli's own listing, finds them equal.
    """
    caller.check_organization(organization_id, whole=is_admin)
    caller.check_user(user_id)
    if cursor is not None and limit is None:
        raise InvalidRequest(Fault("limit", "is required with cursor"))
    query = ListingQuery(organization_id, user_id, whole=is_admin)
    if limit is None and phone_type == "voice":
        found = await services.listings.whole(caller, query, warnings)
        if isinstance(found, bytes):
            return Response(found, media_type="application/json")
        return StreamingResponse(found, media_type="application/json")
    rows: list[dict[str, Any]] = []
    next_cursor = None
    if limit is not None and phone_type == "voice":
        rows, next_cursor = await services.listings.page(caller, query, limit=limit, cursor=cursor)
    page = {"success": True, "phone_numbers": rows, "count": len(rows), "powered_by": "Teli"}
    return warned(page | ({"next_cursor": next_cursor} if limit is not None else {}), warnings)


@router.post(
    "/{phone_number}/update-agent",
    response_model=NumberUpdated,
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, UpstreamRefused, *AUTH) | ACCEPTED,
)
async def update_agent(
    phone_number: PathNumber,
    caller: AgentsLink,
    body: NumberUpdate,
    services: NumberServicesDep,
    patience: Patience,
    request_id: RequestId,
    unknown: Warnings,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Link agents to a number, or rename it. What is wanted is kept and sent to Teli until confirmed.

    With an `Idempotency-Key` a late retry gets the first answer, and undoes nothing that was changed since.
    """
    given = body.model_fields_set & set(NumberUpdate.model_fields)
    if not given:
        fields = ", ".join(NumberUpdate.model_fields)
        raise InvalidRequest(Fault("", f"needs at least one of {fields}"))
    change = Change(frozenset(given), body.nickname, body.inbound_agent_id, body.outbound_agent_id)
    scope = f"POST {router.prefix}/{phone_number}/update-agent"
    once = Once(caller.tenant, scope, idempotency_key, fingerprint(body.model_dump(exclude_unset=True)))
    step_id = await services.owned.want(caller, phone_number, change, request_id=request_id, once=once)
    step = await services.follow_ups.run_now(caller.tenant, step_id, within=services.patience(patience))
    return ended(step, [*body.warnings(), *unknown], once)


@router.delete(
    "/{phone_number}",
    response_model=NumberReleased,
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, QuotaExceeded, RateLimited, *AUTH) | ACCEPTED,
)
async def release_number(
    phone_number: PathNumber,
    caller: NumbersRelease,
    services: NumberServicesDep,
    patience: Patience,
    request_id: RequestId,
    unknown: Warnings,
    acquisition: Annotated[UUID | None, Query(alias="id", description="Which, where an E.164 was held twice")] = None,
    force: Annotated[bool, Query(description="Also where a campaign that is not over calls from it")] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Release a number now, for good. Asking again is harmless.

    With an `Idempotency-Key` a late retry gets the first answer, and releases no later acquisition of that E.164.
    """
    meant = fingerprint({"id": None if acquisition is None else str(acquisition)} | ({"force": True} if force else {}))
    once = Once(caller.tenant, f"DELETE {router.prefix}/{phone_number}", idempotency_key, meant)
    outcome = await services.owned.begin_release(
        caller, phone_number, acquisition=acquisition, request_id=request_id, force=force, once=once
    )
    if isinstance(outcome, AlreadyReleased):
        body = released_body(outcome.number_id, phone_number, outcome.released_at, again=True)
        return warned(body, unknown, once)
    step = await services.follow_ups.run_now(caller.tenant, outcome.step_id, within=services.patience(patience))
    if step.state == "done":
        await services.gate.freed(caller.tenant)
    return ended(step, unknown, once)


@operations_router.get("/{operation_id}", responses=problems(NotFound, *AUTH))
async def get_operation(
    operation_id: UUID,
    caller: NumbersRead,
    services: NumberServicesDep,
    again: Annotated[Again, Depends(again_holding("numbers:read"))],
    wait: Annotated[float, Query(ge=0, le=60, description="Seconds to wait for the outcome")] = 0,
) -> OperationOut:
    """How a purchase, a change or a release stands."""
    return OperationOut(**await services.operations.get(caller, operation_id, wait=wait, again=again))


def ended(step: Step, warnings: list[str], once: Once) -> Response:
    """The answer that a step came to, or 202 while it has none."""
    if step.state not in ("done", "failed") or step.answer is None:
        return accepted(step.id, operation_state(step))
    if step.state == "failed":
        status = step.answer["status"]
        return Response(step.answer["body"], status_code=status, media_type=MEDIA_TYPE, headers=once.headers)
    return warned(orjson.loads(step.answer["body"]), warnings, once)


def warned(body: dict[str, Any], warnings: list[str], once: Once = UNKEYED) -> Response:
    """The body, and what was ignored in the request."""
    told = {"warnings": warnings} if warnings else {}
    return Response(orjson.dumps(body | told), media_type="application/json", headers=once.headers)
