"""How many numbers were bought and given back, day by day, and so how many were held."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Date, cast, func, literal, literal_column, select, union_all

from service.db import Database
from service.inventory.filters import HELD, RELEASED, RELEASED_AT, SEEN, Filters
from service.inventory.inventory import PLANNING, Inventory, check_asked
from service.kit.clock import utc_now
from service.tenants.principals import Principal
from service.tenants.visible import Visible


class Activity:
    def __init__(self, database: Database, inventory: Inventory) -> None:
        self._database = database
        self._inventory = inventory

    async def days(self, caller: Principal, *, organization_id: str | None, days: int) -> dict[str, Any]:
        """The last `days` days in UTC, the first first, today last; of what the caller may see.

        Held at the end of a day is reckoned back from what is held now, which is exact where that is counted.
        Raises: NotYourOrganization.
        """
        filters, visible = Filters(organization_id), Visible.to(caller)
        check_asked(caller, filters, visible)
        today = utc_now().date()
        since = today - timedelta(days=days - 1)
        begins = datetime(since.year, since.month, since.day, tzinfo=UTC)
        mine = visible.conditions(SEEN, organization_id)
        if organization_id is not None:
            mine.append(SEEN.c.organization_id == organization_id)
        # One part for each index.
        parts = [
            select(literal(kind).label("kind"), _day_of(at).label("day"), func.count().label("numbers"))
            .where(state, at >= begins, *mine)
            .group_by(_day_of(at))
            for kind, at, state in (
                ("bought", SEEN.c.acquired_at, HELD),
                ("bought", SEEN.c.acquired_at, RELEASED),
                ("released", RELEASED_AT, RELEASED),
            )
        ]
        async with self._database.acting(
            tenant=visible.tenant_id, sees=visible.sees, bounds=caller.bounds, planning=PLANNING
        ) as session:
            found = (await session.execute(union_all(*parts))).all()
        counted: Counter[tuple[str, date]] = Counter()
        for kind, day, numbers in found:
            counted[kind, day] += numbers
        total = (await self._inventory.page(caller, filters, limit=1, cursor=None))["total"]
        held, told = total["value"], []
        for day in (today - timedelta(days=back) for back in range(days)):
            bought, released = counted["bought", day], counted["released", day]
            told.append({"day": day, "bought": bought, "released": released, "held": max(0, held)})
            held += released - bought
        return {"days": told[::-1], "held": total}


def _day_of(at: Any) -> Any:
    return cast(func.timezone(literal_column("'UTC'"), at), Date)
