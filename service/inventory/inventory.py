"""Many numbers at once, for whoever may see them."""

from typing import Any
from uuid import UUID

from service.db import Database
from service.exports.exports import Export, Exports
from service.exports.formats import Format
from service.inventory.filters import Filters
from service.inventory.repository import InventoryRepository, everything
from service.inventory.selecting import ITEM, Position
from service.inventory.sorting import Sort
from service.kit.pagination import Cursors
from service.tenants.principals import NotYourOrganization, NotYourTenant, Principal
from service.tenants.visible import Visible

# Values differ too much for one plan to serve them all: an organisation has ten numbers or two million. And none goes
# through the table, as the planner would have it who wants a few rows and thinks that they lie everywhere.
PLANNING = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "0",
}


class Inventory:
    def __init__(self, database: Database, cursors: Cursors, exports: Exports) -> None:
        self._database = database
        self._cursors = cursors
        self._exports = exports

    async def page(
        self, caller: Principal, filters: Filters, sort: Sort | None = None, *, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """One page in the order asked for, by acquisition without one, and the cursor that continues it.

        A number that is there all the while and stands where it stood is on exactly one page, whatever is bought,
        changed or released meanwhile.

        Raises: NotYourOrganization, NotYourTenant, NotYourUser, whether there is such an organisation or tenant or not;
            InvalidRequest for a cursor of other filters or another order.
        """
        sort = sort or Sort()
        visible = Visible.to(caller)
        check_asked(caller, filters, visible)
        query = {"list": "inventory", "filters": filters.as_json(), "sort": str(sort)}
        after = None
        if cursor is not None:
            key, number_id = self._cursors.open(query, cursor)
            after = Position(key, UUID(number_id))
        async with self._database.acting(
            tenant=visible.tenant_id, sees=visible.sees, bounds=caller.bounds, planning=PLANNING
        ) as session:
            repository = InventoryRepository(session)
            rows, total = await repository.page(filters, visible, sort, after=after, limit=limit + 1)
        next_cursor = None
        if len(rows) > limit:
            last = rows[limit - 1]
            next_cursor = self._cursors.seal(query, [last.position, str(last.id)])
        return {
            "items": [{column.name: getattr(row, column.name) for column in ITEM} for row in rows[:limit]],
            "next_cursor": next_cursor,
            "total": total,
        }

    async def export(self, caller: Principal, filters: Filters, sort: Sort, wanted: Format) -> Export:
        """All that the pages would show, as of one moment; to be closed by whoever gets it.

        Raises: as `page`, and as `Exports.make`.
        """
        visible = Visible.to(caller)
        check_asked(caller, filters, visible)
        return await self._exports.make(
            everything(filters, visible, sort),
            wanted,
            whose=caller.tenant_id or caller.actor,
            acting=lambda database: database.acting(tenant=visible.tenant_id, sees=visible.sees, bounds=caller.bounds),
        )


def check_asked(caller: Principal, filters: Filters, visible: Visible) -> None:
    """Raises: NotYourOrganization, NotYourTenant, NotYourUser."""
    asked = filters.organization_id
    if asked is not None and not ({asked, "*"} & set(visible.sees) or asked in caller.organization_ids):
        raise NotYourOrganization
    if filters.user_id is not None:
        caller.check_user(filters.user_id)
    if not visible.sees and filters.tenant_id not in (None, caller.tenant_id):
        raise NotYourTenant("tenant_id must be absent or your own: this key sees no organisation as a whole.")
