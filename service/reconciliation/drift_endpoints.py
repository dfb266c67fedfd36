"""Drift over HTTP: what Teli lists otherwise than is wanted, and deciding which of the two holds."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused
from service.kit.errors import NotFound, StateConflict
from service.numbers.own_endpoints import NumbersUpdate
from service.reconciliation.drift_list import DriftList
from service.reconciliation.schemas import DriftDecided, DriftDecision, DriftPage
from service.tenants.auth import CREDENTIALS, NumbersRead
from service.tenants.endpoints import AUTH

router = APIRouter(prefix="/v1/drift", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)


async def drift_list_of(request: Request) -> DriftList:
    found: DriftList = request.app.state.services.drift_list
    return found


DriftListDep = Annotated[DriftList, Depends(drift_list_of)]


@router.get("", responses=problems(*AUTH))
async def list_drift(caller: NumbersRead, drifts: DriftListDep, limit: Limit = 100, cursor: Cursor = None) -> DriftPage:
    """What Teli lists otherwise than is wanted of the numbers that the caller may see, and nobody decided yet."""
    return DriftPage.model_validate(await drifts.page(caller, limit=limit, cursor=cursor))


@router.post("/{drift_id}/resolve", responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH))
async def resolve_drift(
    drift_id: UUID,
    caller: NumbersUpdate,
    body: DriftDecision,
    drifts: DriftListDep,
    request_id: RequestId,
    once: Keyed,
) -> DriftDecided:
    """Put ours back at Teli, for as long as it takes, or take theirs into the ledger.

    Agents need the scope `agents:link` too, and whose a number is, an administrator decides.
    """
    decided = await drifts.resolve(
        caller, drift_id, body.decision, reason=body.reason, request_id=request_id, once=once
    )
    return DriftDecided.model_validate(decided)
