"""One number on our own paths: all that is known of it, its history, and changing it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Response
from pydantic import BeforeValidator

from service.http.conditions import EtagMismatch, IfMatch, IfNoneMatch, etag_of
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.prefer import Patience
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused
from service.idempotency.once import UNKEYED, Once
from service.kit.errors import NotFound, StateConflict
from service.kit.phone import E164, path_number
from service.numbers.auth import STAFF
from service.numbers.endpoints import ACCEPTED, NumberServicesDep, ended
from service.numbers.errors import UpstreamRefused
from service.numbers.lookup import revision_of
from service.numbers.schemas import HistoryPage, NumberOut, NumberPatch, ReleaseAsk, RestoreAsk
from service.numbers.services import NumberServices
from service.quotas.errors import QuotaExceeded, RateLimited
from service.tenants.auth import CREDENTIALS, NumbersRead, holding
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourUser, Principal

router = APIRouter(prefix="/v1/numbers", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)
# Whoever may name a number as it is bought may do so later.
NumbersUpdate = Annotated[Principal, Depends(holding("numbers:update", "numbers:create", STAFF))]


def number_named(text: str) -> UUID | E164:
    """Our id of a number, or its E.164. Raises: NotAPhoneNumber."""
    try:
        return UUID(text)
    except ValueError:
        return path_number(text)


# Whoever administers releases any number that is seen.
NumbersRelease = Annotated[Principal, Depends(holding("numbers:release", STAFF))]
NumberNamed = Annotated[
    UUID | E164, BeforeValidator(number_named), Path(description="Its id or its E.164", examples=["+13135550142"])
]
TAGGED = {"headers": {"ETag": {"description": "For `If-Match`", "schema": {"type": "string"}}}}


@router.get(
    "/{number_id}",
    response_model=NumberOut,
    responses=problems(NotFound, *AUTH) | {200: TAGGED, 304: {"description": "It still has that ETag"}},
)
async def get_number(
    number_id: NumberNamed, caller: NumbersRead, services: NumberServicesDep, known: IfNoneMatch
) -> Response:
    """All that is known of one number; of several acquisitions of an E.164 the one that is held, else the latest.

    The ETag is that of the whole answer; its part before the dash, of what may be changed and of the state, is what
    `If-Match` asks for.
    """
    return await _shown(services, caller, number_id, known=known)


@router.get("/{number_id}/history", responses=problems(NotFound, *AUTH))
async def list_history(
    number_id: NumberNamed,
    caller: NumbersRead,
    services: NumberServicesDep,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> HistoryPage:
    """Every event of a number and of its purchase, newest first, with how it was before and after."""
    found = await services.lookup.history(caller, number_id, limit=limit, cursor=cursor)
    return HistoryPage.model_validate(found)


@router.patch(
    "/{number_id}",
    response_model=NumberOut,
    responses=problems(
        NotFound, StateConflict, NotYourUser, EtagMismatch, IdempotencyKeyReused, UpstreamRefused, *AUTH
    ) | ACCEPTED | {200: TAGGED},
)  # fmt: skip
async def patch_number(
    number_id: NumberNamed,
    caller: NumbersUpdate,
    body: NumberPatch,
    services: NumberServicesDep,
    patience: Patience,
    request_id: RequestId,
    once: Keyed,
    if_match: IfMatch,
) -> Response:
    """Change what a number is called and filed under, who uses it, and its agents: all of it, or nothing.

    With `If-Match` only while nobody has changed it since. Teli is told of nickname and agents, for as long as it
    takes: 202 where it has not confirmed in time. A retry with the same `Idempotency-Key` changes nothing more, and
    shows the number as it stands.
    """
    edited = await services.editing.edit(
        caller, number_id, body.change(), if_match=if_match, request_id=request_id, once=once
    )
    if edited.step_id is not None:
        within = services.patience(patience)
        step = await services.follow_ups.run_now(edited.tenant, edited.step_id, within=within)
        if step.state != "done":
            return ended(step, [], once)
    return await _shown(services, caller, edited.number_id, once=once)


@router.post(
    "/{number_id}/release",
    response_model=NumberOut,
    responses=problems(NotFound, StateConflict, QuotaExceeded, RateLimited, IdempotencyKeyReused, *AUTH)
    | {200: TAGGED},
)
async def release_with_grace(
    number_id: NumberNamed,
    caller: NumbersRelease,
    services: NumberServicesDep,
    request_id: RequestId,
    once: Keyed,
    body: Annotated[ReleaseAsk, Body(default_factory=ReleaseAsk)],
) -> Response:
    """Give a number back at the end of its grace; until then it can be restored, and calls reach it.

    The grace ends an hour before the next month is charged, where that comes first. Where less than an hour is left,
    it is whole, and `release.extra_charge` tells what that costs. The operation is `release.operation_id`.
    """
    number = await services.grace.schedule(
        caller, number_id, reason=body.reason, force=body.force, request_id=request_id, once=once
    )
    return await _shown(services, caller, number, once=once)


@router.post(
    "/{number_id}/restore",
    response_model=NumberOut,
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH) | {200: TAGGED},
)
async def restore_number(
    number_id: NumberNamed,
    caller: NumbersRelease,
    services: NumberServicesDep,
    request_id: RequestId,
    once: Keyed,
    body: Annotated[RestoreAsk, Body(default_factory=RestoreAsk)],
) -> Response:
    """Keep a number after all whose release is scheduled. Once Teli was asked to release it, it is too late."""
    number = await services.grace.restore(caller, number_id, reason=body.reason, request_id=request_id, once=once)
    return await _shown(services, caller, number, once=once)


async def _shown(
    services: NumberServices,
    caller: Principal,
    which: UUID | E164,
    *,
    known: IfNoneMatch = None,
    once: Once = UNKEYED,
) -> Response:
    found = await services.lookup.one(caller, which)
    content = NumberOut.model_validate(found).model_dump_json()
    headers = {"ETag": etag_of(revision_of(found), content)} | dict(once.headers)
    if known is not None and known.know(headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)
