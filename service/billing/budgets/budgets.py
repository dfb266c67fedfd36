"""Budgets as finance files them, and how they stand."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action
from service.audit.entries import note
from service.billing.auth import acting_for
from service.billing.budgets.models import Budget, BudgetAlert
from service.db import Database, broken_constraint, count_up
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.pagination import Cursors, total
from service.kit.types import new_id
from service.prices.pricing import Pricing
from service.tenants.principals import Principal

TAKEN = "budgets_organization_id_tenant_id_cost_center_currency_key"
# Foreign keys, by what they are of.
UNKNOWN = {f"budgets_{name}_fkey": name for name in ("organization_id", "tenant_id", "notify_tenant_id")}


@dataclass(frozen=True, slots=True)
class Changeable:
    """What of a budget may be changed. `notify_tenant_id`: None is nobody."""

    name: str | None
    amount: int
    notify_tenant_id: str | None


@dataclass(frozen=True, slots=True)
class WantedBudget(Changeable):
    """A budget that is to be filed; None of organisation, tenant and cost centre is of all."""

    organization_id: str | None
    tenant_id: str | None
    cost_center: str | None
    currency: str


class Budgets:
    def __init__(self, database: Database, cursors: Cursors, pricing: Pricing) -> None:
        self._database, self._cursors, self._pricing = database, cursors, pricing

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Those that the caller sees, in the order of filing. Raises: InvalidRequest for a foreign cursor."""
        query = {"list": "budgets"}
        found = select(Budget).order_by(Budget.id).limit(limit + 1)
        if cursor is not None:
            found = found.where(Budget.id > UUID(self._cursors.open(query, cursor)[0]))
        async with acting_for(self._database, caller) as session:
            rows = (await session.scalars(found)).all()
            counted = await count_up(session, select(Budget.id))
            items = await _told(session, rows[:limit])
        more = len(rows) > limit
        return {
            "items": items,
            "next_cursor": self._cursors.seal(query, [str(items[-1]["id"])]) if more else None,
            "total": total(counted),
        }

    async def get(self, caller: Principal, budget_id: UUID) -> dict[str, Any]:
        """Raises: NotFound, also for what the caller may not see."""
        async with acting_for(self._database, caller) as session:
            return await _one(session, await _found(session, budget_id))

    async def add(self, caller: Principal, wanted: WantedBudget, request_id: str) -> dict[str, Any]:
        """Raises: StateConflict where there is one for just the same; InvalidRequest for whom nobody filed."""
        # The worker, who reckons, may not file it.
        await self._pricing.ensure_default()
        budget = Budget(id=new_id(), created_by=caller.actor, **asdict(wanted))
        async with acting_for(self._database, caller) as session:
            session.add(budget)
            await _flush(session)
            _note(session, caller, "budget.filed", budget, request_id, after=asdict(wanted))
            await session.refresh(budget)
            return await _one(session, budget)

    async def put(self, caller: Principal, budget_id: UUID, wanted: Changeable, request_id: str) -> dict[str, Any]:
        """How it stands by the new amount is reckoned at once, by the worker.

        Raises: NotFound; InvalidRequest for a tenant that nobody filed.
        """
        async with acting_for(self._database, caller) as session:
            budget = await _found(session, budget_id, locked=True)
            before = {name: getattr(budget, name) for name in asdict(wanted)}
            for name, value in asdict(wanted).items():
                setattr(budget, name, value)
            budget.revision += 1
            budget.reckoned_at = None
            await _flush(session)
            _note(session, caller, "budget.put", budget, request_id, before=before, after=asdict(wanted))
            return await _one(session, budget)

    async def delete(self, caller: Principal, budget_id: UUID, request_id: str) -> None:
        """With what was reached of it. Raises: NotFound."""
        async with acting_for(self._database, caller) as session:
            budget = await _found(session, budget_id, locked=True)
            before = {name: getattr(budget, name) for name in WantedBudget.__dataclass_fields__}
            await session.delete(budget)
            _note(session, caller, "budget.deleted", budget, request_id, before=before)


async def _found(session: AsyncSession, budget_id: UUID, *, locked: bool = False) -> Budget:
    """Raises: NotFound."""
    budget = await session.get(Budget, budget_id, with_for_update=locked or None)
    if budget is None:
        raise NotFound
    return budget


async def _flush(session: AsyncSession) -> None:
    """Raises: StateConflict, InvalidRequest."""
    try:
        await session.flush()
    except IntegrityError as error:
        broken = broken_constraint(error)
        if broken == TAKEN:
            raise StateConflict("There is a budget for just this already: change that one.") from None
        if (name := UNKNOWN.get(broken)) is not None:
            raise InvalidRequest(Fault(f"/{name}", "is of nobody that is filed here")) from None
        raise


async def _one(session: AsyncSession, budget: Budget) -> dict[str, Any]:
    [told] = await _told(session, [budget])
    return told


async def _told(session: AsyncSession, budgets: Sequence[Budget]) -> list[dict[str, Any]]:
    """Each with what was reached of it in its present month."""
    reached = defaultdict(list)
    ids = [one.id for one in budgets]
    for alert in await session.scalars(
        select(BudgetAlert).where(BudgetAlert.budget_id.in_(ids)).order_by(BudgetAlert.id)
    ):
        reached[alert.budget_id, alert.period].append(alert)
    return [
        {name: getattr(one, name) for name in (*WantedBudget.__dataclass_fields__, "id", "created_at", "created_by")}
        | {
            "standing": None if one.period is None else {
                "period": f"{one.period:%Y-%m}", "so_far": one.so_far, "forecast": one.forecast,
                "reckoned_at": one.reckoned_at, "reached": [_alert(it) for it in reached[one.id, one.period]],
            }
        }
        for one in budgets
    ]  # fmt: skip


def _alert(one: BudgetAlert) -> dict[str, Any]:
    return {
        "threshold": one.threshold, "measure": one.measure, "micros": one.micros, "amount": one.amount, "at": one.at,
        "ended_at": one.ended_at,
    }  # fmt: skip


def _note(
    session: AsyncSession,
    caller: Principal,
    action: Action,
    budget: Budget,
    request_id: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    note(
        session, actor=caller.actor, action=action, of=("budget", str(budget.id)), tenant=None,
        before=before, after=after, request_id=request_id,
    )  # fmt: skip
