"""The operator's short lists."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from service.http.openapi import problems
from service.http.routes import OwnRoute
from service.reconciliation.doubts import Doubts
from service.tenants.auth import CREDENTIALS, Operator
from service.tenants.endpoints import AUTH

router = APIRouter(prefix="/v1/admin", tags=["operations"], dependencies=CREDENTIALS, route_class=OwnRoute)


class Total(BaseModel):
    value: int
    exact: bool


class DoubtOut(BaseModel):
    """A purchase whose outcome is not proved; `evidence` is all that was heard of it."""

    id: UUID
    phone_number: str | None
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    reason: str | None
    mark: str
    admitted_at: str
    send_ended_at: str | None
    evidence: list[dict[str, Any]]


class DoubtPage(BaseModel):
    items: list[DoubtOut]
    next_cursor: str | None
    total: Total


def doubts_of(request: Request) -> Doubts:
    found: Doubts = request.app.state.services.doubts
    return found


@router.get("/doubts", responses=problems(*AUTH))
async def list_doubts(
    caller: Operator,
    doubts: Annotated[Doubts, Depends(doubts_of)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> DoubtPage:
    """Purchases that are neither proved nor disproved, oldest first. Their quota stays reserved."""
    return DoubtPage.model_validate(await doubts.page(caller, limit=limit, cursor=cursor))
