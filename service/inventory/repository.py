"""Numbers as they are listed: one page of them, or all."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, case, cast, func, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.exports.formats import Column, Kind, Query
from service.inventory.estimates import SAMPLE, estimate_of, share_of
from service.inventory.filters import SEEN, Filters
from service.inventory.selecting import ITEM, Position, all_of
from service.inventory.sorting import Sort
from service.tenants.visible import Visible

KINDS: dict[str, Kind] = {
    "id": "uuid", "phone_number": "word", "state": "word", "area_code": "word", "tags": "texts",
    "acquired_at": "moment", "confirmed_at": "moment", "released_at": "moment",
}  # fmt: skip

# Beyond this a total is an estimate: to count on would take many times what a page does.
COUNTED = 1_000
# Of words that are frequent, or of several tags that are so together: each row has to be looked through for them.
COUNTED_OF_WORDS = 100
FREQUENT = 0.01
# Of two million, one in 700 with both tags, a page in order took a tenth of what counting them to COUNTED took.
FREQUENT_TAGS = 0.001
# For the rest of the transaction.
BY_ORDER = text("SELECT set_config('enable_bitmapscan', 'off', true)")
BY_WORDS = text("SELECT set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true)")


def _counted_by(filters: Filters, visible: Visible, sort: Sort) -> Sort:
    """The order in which to count, which is anybody's choice: so an index that has it is gone through, or there are few
    to be sorted. By number, area codes are ranges of an index; a tenant's own have an index by age, and not by others.
    """
    if sort.by == "phone_number":
        return sort
    if filters.area_codes is not None and not filters.narrow and filters.organization_id is None:
        return Sort("phone_number")
    filtered_by = {"nickname": filters.nickname, "idle_since": filters.idle_days}
    of_tenant = filters.tenant_id is not None or visible.conditions(SEEN, filters.organization_id)
    return Sort() if of_tenant and filtered_by.get(sort.by, sort) is None else sort


def page_of(
    filters: Filters, visible: Visible, sort: Sort, *, after: Position | None, limit: int, most: int = COUNTED
) -> Select[Any]:
    """Rows in order, each with its `position` and `counted`: how many match in all, to `most` + 1 or the page's end.

    One statement, so that page and total are of one moment. It answers a row without an id where the page is empty.
    """
    counted_by, columns = _counted_by(filters, visible, sort), (*ITEM, sort.key.label("key"))
    if after is None and counted_by == sort:
        # What is counted begins with the page.
        page = all_of(filters, visible, sort, *columns, most=max(limit, most + 1)).cte("page")
        counted: ColumnElement[int] = select(func.count()).select_from(page).scalar_subquery()
    else:
        page = all_of(filters, visible, sort, *columns, after=after, most=limit).cte("page")
        matches = all_of(filters, visible, counted_by, SEEN.c.id, most=most + 1).subquery("matches")
        counted = select(func.count()).select_from(matches).scalar_subquery()
        if after is None:
            # What is all on one page need not be counted again; Postgres runs a subquery when its value is needed.
            found = select(func.count()).select_from(page).scalar_subquery()
            counted = case((found < limit, found), else_=counted)
    total = select(counted.label("counted")).subquery("total")
    return (
        select(total.c.counted, *page.c, cast(page.c.key, Text).label("position"))
        .select_from(total.outerjoin(page, true()))
        .order_by(*sort.directed(page.c.key, page.c.id))
        .limit(limit)
    )


def everything(filters: Filters, visible: Visible, sort: Sort) -> Query:
    """What the pages show, in their order; ids of people and what they wrote are text that anybody may have chosen."""
    rows = all_of(filters, visible, sort)
    columns = [Column(one.name, one, KINDS.get(one.name, "text")) for one in rows.selected_columns]
    return Query("numbers", columns, rows)


class InventoryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(
        self, filters: Filters, visible: Visible, sort: Sort, *, after: Position | None, limit: int
    ) -> tuple[Sequence[Row[Any]], dict[str, Any]]:
        """At most `limit` rows after a position, and the total: exact to COUNTED, beyond that an estimate for
        whoever sees all there is, and for others COUNTED.

        How frequent a word is the planner cannot know, for what might tell of rows it does not look at under row-level
        security; one tag it takes to be in a few of a thousand, and several together in hardly any. A frequent one is
        soon found in the order asked for, where to sort whatever has it takes minutes; a rare one is found by its
        index, where to go through all takes as long. So a few rows are looked at first.
        """
        most, share = COUNTED, None
        if filters.words is not None or len(filters.tags or ()) > 1:
            share = await share_of(self._session, filters, visible)
            frequent = share.having >= SAMPLE * (FREQUENT_TAGS if filters.words is None else FREQUENT)
            if frequent and not share.of_all:
                most = COUNTED_OF_WORDS
            if frequent or share.of_all:
                await self._session.execute(BY_ORDER)
            elif filters.words is not None:
                await self._session.execute(BY_WORDS)
        statement = page_of(filters, visible, sort, after=after, limit=limit, most=most)
        found = (await self._session.execute(statement)).all()
        counted = found[0].counted
        rows = [row for row in found if row.id is not None]
        if counted <= most or (after is None and len(rows) < limit):
            return rows, {"value": counted, "exact": True}
        if "*" not in visible.sees:
            # What Postgres knows of a column it knows of all tenants' rows.
            return rows, {"value": most, "exact": False}
        estimate = await estimate_of(self._session, filters, visible, share)
        return rows, {"value": max(most, estimate), "exact": False}
