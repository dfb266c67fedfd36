"""Budgets over REST."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from service.billing.auth import BillingRead, BillingWrite
from service.billing.budgets.budgets import Budgets
from service.billing.budgets.schemas import BudgetIn, BudgetOut, BudgetPage, BudgetPut
from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.routes import OwnRoute
from service.kit.errors import NotFound, StateConflict
from service.tenants.auth import CREDENTIALS
from service.tenants.endpoints import AUTH

router = APIRouter(prefix="/v1/billing/budgets", tags=["budgets"], dependencies=CREDENTIALS, route_class=OwnRoute)


async def budgets(request: Request) -> Budgets:
    found: Budgets = request.app.state.services.billing.budgets
    return found


BudgetsDep = Annotated[Budgets, Depends(budgets)]


@router.get("", responses=problems(*AUTH))
async def list_budgets(caller: BillingRead, found: BudgetsDep, limit: Limit = 100, cursor: Cursor = None) -> BudgetPage:
    """Budgets and how they stand. A tenant sees those of it alone, and those that it is told of."""
    return BudgetPage.model_validate(await found.page(caller, limit=limit, cursor=cursor))


@router.post("", status_code=201, responses=problems(StateConflict, *AUTH))
async def create_budget(body: BudgetIn, caller: BillingWrite, found: BudgetsDep, request_id: RequestId) -> BudgetOut:
    """Say what a month may cost. At 50, 80 and 100 % of it, and once more than all of it is to be expected, the event
    `budget.reached` is written, once a month each.
    """
    return BudgetOut.model_validate(await found.add(caller, body.wanted(), request_id))


@router.get("/{budget_id}", responses=problems(NotFound, *AUTH))
async def get_budget(budget_id: UUID, caller: BillingRead, found: BudgetsDep) -> BudgetOut:
    """One budget, how it stands, and what of it was reached this month."""
    return BudgetOut.model_validate(await found.get(caller, budget_id))


@router.put("/{budget_id}", responses=problems(NotFound, *AUTH))
async def put_budget(
    budget_id: UUID, body: BudgetPut, caller: BillingWrite, found: BudgetsDep, request_id: RequestId
) -> BudgetOut:
    """Change a budget, at any time of the month. What was reached by the amount before is told of anew only where it
    was not reached by the new one in between.
    """
    return BudgetOut.model_validate(await found.put(caller, budget_id, body.wanted(), request_id))


@router.delete("/{budget_id}", status_code=204, responses=problems(NotFound, *AUTH))
async def delete_budget(budget_id: UUID, caller: BillingWrite, found: BudgetsDep, request_id: RequestId) -> Response:
    """Delete a budget, with what was reached of it."""
    await found.delete(caller, budget_id, request_id)
    return Response(status_code=204)
