"""The operator's short lists, and the exits from them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.phone import E164
from service.reconciliation.decisions import Decisions
from service.reconciliation.lists import Lists
from service.reconciliation.schemas import (
    Decided,
    DoubtDecision,
    DoubtDetail,
    DoubtPage,
    GhostDecision,
    GhostPage,
    OrphanDecision,
    OrphanPage,
)
from service.tenants.auth import CREDENTIALS, Operator, OperatorDecides
from service.tenants.endpoints import AUTH

router = APIRouter(prefix="/v1/admin", tags=["operating"], dependencies=CREDENTIALS, route_class=OwnRoute)


async def lists_of(request: Request) -> Lists:
    found: Lists = request.app.state.services.lists
    return found


async def decisions_of(request: Request) -> Decisions:
    found: Decisions = request.app.state.services.decisions
    return found


ListsDep = Annotated[Lists, Depends(lists_of)]
DecisionsDep = Annotated[Decisions, Depends(decisions_of)]
DECIDED = problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH)


@router.get("/doubts", responses=problems(*AUTH))
async def list_doubts(caller: Operator, lists: ListsDep, limit: Limit = 100, cursor: Cursor = None) -> DoubtPage:
    """Purchases that are neither proved nor disproved, oldest first. Their quota stays reserved."""
    return DoubtPage.model_validate(await lists.doubts(caller, limit=limit, cursor=cursor))


@router.get("/doubts/{item_id}", responses=problems(NotFound, *AUTH))
async def get_doubt(item_id: UUID, caller: Operator, lists: ListsDep) -> DoubtDetail:
    """One purchase, in doubt or decided since, with what it was decided on."""
    return DoubtDetail.model_validate(await lists.doubt(caller, item_id))


@router.get("/orphans", responses=problems(*AUTH))
async def list_orphans(caller: Operator, lists: ListsDep, limit: Limit = 100, cursor: Cursor = None) -> OrphanPage:
    """Numbers that appeared at Teli and that no purchase explains, oldest first."""
    return OrphanPage.model_validate(await lists.orphans(caller, limit=limit, cursor=cursor))


@router.get("/ghosts", responses=problems(*AUTH))
async def list_ghosts(caller: Operator, lists: ListsDep, limit: Limit = 100, cursor: Cursor = None) -> GhostPage:
    """Numbers held here that Teli lists no more, or never did, or whose release is unresolved; oldest first."""
    return GhostPage.model_validate(await lists.ghosts(caller, limit=limit, cursor=cursor))


@router.post("/doubts/{item_id}/resolve", responses=DECIDED)
async def resolve_doubt(
    item_id: UUID,
    caller: OperatorDecides,
    body: DoubtDecision,
    decisions: DecisionsDep,
    request_id: RequestId,
    keyed: Keyed,
) -> Decided:
    """Decide a doubt: it bought this number, or nothing."""
    once = keyed.by(caller.actor)
    if body.decision == "refused":
        return Decided(**await decisions.refuse(caller, item_id, reason=body.reason, request_id=request_id, once=once))
    if body.phone_number is None:
        raise InvalidRequest(Fault("/phone_number", "is required: which number was bought?"))
    number = E164(body.phone_number)
    return Decided(**await decisions.own(caller, item_id, number, reason=body.reason, request_id=request_id, once=once))


@router.post("/orphans/{item_id}/resolve", responses=DECIDED)
async def resolve_orphan(
    item_id: UUID,
    caller: OperatorDecides,
    body: OrphanDecision,
    decisions: DecisionsDep,
    request_id: RequestId,
    keyed: Keyed,
) -> Decided:
    """Decide an orphan: a tenant's from now on, to be given back, or no concern of ours."""
    once = keyed.by(caller.actor)
    if body.decision == "ignore":
        return Decided(**await decisions.ignore(caller, item_id, reason=body.reason, request_id=request_id, once=once))
    return Decided(
        **await decisions.adopt(
            caller,
            item_id,
            tenant_id=body.tenant_id,
            user_id=body.user_id,
            reason=body.reason,
            request_id=request_id,
            once=once,
            release=body.decision == "release",
        )
    )


@router.post("/ghosts/{item_id}/resolve", responses=DECIDED)
async def resolve_ghost(
    item_id: UUID,
    caller: OperatorDecides,
    body: GhostDecision,
    decisions: DecisionsDep,
    request_id: RequestId,
    keyed: Keyed,
) -> Decided:
    """Decide a ghost: gone, or held all the same."""
    decide = decisions.missing if body.decision == "missing" else decisions.still_ours
    once = keyed.by(caller.actor)
    return Decided(**await decide(caller, item_id, reason=body.reason, request_id=request_id, once=once))
