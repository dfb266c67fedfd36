"""What Teli counted of a month, beside the ledger, for whoever may see it."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_

from service.billing.analytics.models import PeriodAnalytics
from service.billing.auth import acting_for
from service.db import Database, count_up
from service.kit.pagination import Cursors, total
from service.tenants.principals import Principal


class Analytics:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database, self._cursors = database, cursors

    async def page(
        self, caller: Principal, month: date, *, state: str | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """By account and organisation. Raises: InvalidRequest for a cursor that is not of this list."""
        query = {"list": "analytics", "month": str(month), "state": state}
        key = (PeriodAnalytics.account_id, PeriodAnalytics.organization_id)
        asked = select(PeriodAnalytics).where(PeriodAnalytics.month == month)
        if state is not None:
            asked = asked.where(PeriodAnalytics.state == state)
        found = asked.order_by(*key).limit(limit + 1)
        if cursor is not None:
            account, organization = self._cursors.open(query, cursor)
            found = found.where(tuple_(*key) > tuple_(UUID(account), organization))
        async with acting_for(self._database, caller) as session:
            rows = (await session.scalars(found)).all()
            counted = await count_up(session, asked.with_only_columns(PeriodAnalytics.organization_id))
        shown = rows[:limit]
        last = [str(shown[-1].account_id), shown[-1].organization_id] if len(rows) > limit else None
        return {
            "items": shown,
            "next_cursor": self._cursors.seal(query, last) if last else None,
            "total": total(counted),
        }
