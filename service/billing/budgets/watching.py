"""The worker's look at budgets: how each stands, and what of it was reached, all at once and each once.

One worker at a time looks, by an advisory lock; that a threshold is told of once is by a unique index, whoever looks.
"""

import json
from datetime import date, timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.billing.budgets.models import Budget
from service.billing.periods import basis_of, today_of
from service.db import Database, let_take
from service.observability.metrics import BUDGETS_REACHED

LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('numbergate budgets'))")
DUE = text("""
    SELECT EXISTS (SELECT FROM budgets WHERE reckoned_at IS NULL
                   OR reckoned_at < clock_timestamp() - CAST(:every AS interval))""")
WATCH = text("""
    SELECT threshold, measure
    FROM watch_budgets(:month, :through, :priced, CAST(:rule AS jsonb), :today, :is_next)""")


class BudgetWatch:
    """`database`: whose statements may take as many seconds as `within`. `every`: how long what was reckoned is good
    for. A budget that is new or was changed does not wait.
    """

    def __init__(self, database: Database, *, within: float, every: timedelta) -> None:
        self._database, self._within, self._every = database, within, every

    async def look(self) -> None:
        """Reckon all budgets, where it is time for any."""
        reached: list[tuple[int, str]] = []
        async with self._database.acting() as session:
            if not await session.scalar(LOCK) or not await session.scalar(DUE, {"every": self._every}):
                return
            await let_take(session, self._within)
            this = (await today_of(session)).replace(day=1)
            # What was reached in its last hours is told of the month before too.
            before = await session.scalars(select(Budget.period).where(Budget.period < this).distinct())
            for month in sorted({*(found for found in before if found is not None), this}):
                reached += await self._watch(session, month)
        for threshold, measure in reached:
            BUDGETS_REACHED.labels(str(threshold), measure).inc()

    async def _watch(self, session: AsyncSession, month: date) -> list[tuple[int, str]]:
        basis = await basis_of(session, month)
        asked = {
            "month": month, "through": basis.through, "priced": basis.priced,
            "rule": json.dumps(basis.rule.as_json()), "today": basis.today, "is_next": basis.is_next,
        }  # fmt: skip
        return [(one.threshold, one.measure) for one in await session.execute(WATCH, asked)]
