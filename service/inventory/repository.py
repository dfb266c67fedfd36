"""Which numbers are meant, in the order asked for: one page of them, or all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Row, Select, case, func, literal_column, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.exports.formats import Column, Kind, Query
from service.inventory.filters import LOOKED_THROUGH, SEEN, Filters
from service.inventory.sorting import Sort

ITEM = (
    SEEN.c.id,
    SEEN.c.phone_number,
    SEEN.c.state,
    SEEN.c.organization_id,
    SEEN.c.tenant_id,
    SEEN.c.user_id,
    SEEN.c.area_code,
    SEEN.c.nickname,
    SEEN.c.cost_center,
    SEEN.c.tags,
    SEEN.c.acquired_at,
    SEEN.c.confirmed_at,
    SEEN.c.released_at,
)
KINDS: dict[str, Kind] = {
    "id": "uuid", "phone_number": "word", "state": "word", "area_code": "word", "tags": "texts",
    "acquired_at": "moment", "confirmed_at": "moment", "released_at": "moment",
}  # fmt: skip

# Beyond this a total is "at least": to count on would take many times what a page does.
COUNTED = 1_000
# Of words that are frequent: each row has to be looked through for them.
COUNTED_OF_WORDS = 100
SAMPLE, FREQUENT = 2_000, 0.01
# For the rest of the transaction.
BY_ORDER = text("SELECT set_config('enable_bitmapscan', 'off', true)")
BY_WORDS = text("SELECT set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true)")


@dataclass(frozen=True, slots=True)
class Visible:
    """A tenant's own numbers, and all of the organisations in `sees`; ("*",) is all there are.

    Row-level security says the same, and so does the view. It is said here too: so that an index can be used, and
    because one of the two may be wrong.
    """

    tenant_id: str | None
    sees: tuple[str, ...]

    def conditions(self, filters: Filters, of: FromClause = SEEN) -> list[ColumnElement[bool]]:
        """`of`: the view, or the table itself."""
        if "*" in self.sees or filters.organization_id in self.sees:
            return []
        own = of.c.tenant_id == self.tenant_id
        seen = of.c.organization_id.in_(self.sees)
        if self.tenant_id is None:
            return [seen]
        return [or_(own, seen)] if self.sees and filters.organization_id is None else [own]


@dataclass(frozen=True, slots=True)
class Position:
    """The row that a page ended with: where it stood in the order, and its id."""

    key: str
    number_id: UUID


def all_of(filters: Filters, visible: Visible, sort: Sort, *columns: ColumnElement[Any]) -> Select[Any]:
    """Every number that is meant, in order; the columns of an item without others named."""
    matching = [*filters.conditions(), *visible.conditions(filters)]
    return select(*(columns or ITEM)).where(*matching).order_by(*_order(filters, sort))


def _order(filters: Filters, sort: Sort) -> list[Any]:
    """An area code's numbers lie together in the order of numbers, and the planner, who takes them to lie everywhere,
    would go through all that lie before: so this order is not an index's, and they are sorted.
    """
    if filters.area_codes is None or sort.by != "phone_number":
        return sort.order()
    key = SEEN.c.phone_number.concat(literal_column("''"))
    return [key.desc(), SEEN.c.id.desc()] if sort.descending else [key, SEEN.c.id]


def page_of(
    filters: Filters, visible: Visible, sort: Sort, *, after: Position | None, limit: int, most: int = COUNTED
) -> Select[Any]:
    """Rows in order, each with its `position` and `counted`: how many match in all, to `most` + 1.

    One statement, so that page and total are of one moment. It answers a row without an id where the page is empty.
    """
    place = func.row_number().over(order_by=_order(filters, sort)).label("place")
    rows = all_of(filters, visible, sort, *ITEM, sort.position.label("position"), place)
    if after is not None:
        rows = rows.where(sort.beyond(after.key, after.number_id))
    page = rows.limit(limit).cte("page")
    # Counted in an order too: so an index that has it is gone through, or there are few to be sorted.
    counted_by = sort if filters.area_codes is None else Sort()
    matches = all_of(filters, visible, counted_by, literal_column("1")).limit(most + 1).subquery("matches")
    counted: ColumnElement[int] = select(func.count()).select_from(matches).scalar_subquery()
    if after is None:
        # What is all on one page need not be counted again; Postgres runs a subquery when its value is needed.
        found = select(func.count()).select_from(page).scalar_subquery()
        counted = case((found < limit, found), else_=counted)
    total = select(counted.label("counted")).subquery("total")
    return select(total.c.counted, *page.c).select_from(total.outerjoin(page, true())).order_by(page.c.place)


def sample_of(filters: Filters, visible: Visible) -> Select[int, int]:
    """`looked_through`: how many of the first SAMPLE, whatever their words are; `having`: those with the words."""
    first = all_of(replace(filters, words=None), visible, Sort(), *LOOKED_THROUGH).limit(SAMPLE).subquery("first")
    having = func.count().filter(*filters.words_in(first))
    return select(func.count().label("looked_through"), having.label("having")).select_from(first)


def everything(filters: Filters, visible: Visible, sort: Sort) -> Query:
    """What the pages show, in their order; ids of people and what they wrote are text that anybody may have chosen."""
    columns = [Column(one.name, one, KINDS.get(one.name, "text")) for one in ITEM]
    return Query("numbers", columns, all_of(filters, visible, sort))


class InventoryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(
        self, filters: Filters, visible: Visible, sort: Sort, *, after: Position | None, limit: int
    ) -> tuple[Sequence[Row[Any]], dict[str, Any]]:
        """At most `limit` rows after a position, and the total: exact to COUNTED, else there are at least so many.

        How frequent a word is the planner cannot know, for what might tell of rows it does not look at under row-level
        security. A frequent one is soon found in the order asked for, where to sort whatever has it takes minutes; a
        rare one is found by its index, where to go through all takes as long. So a few rows are looked at first.
        """
        most = COUNTED
        if filters.words is not None:
            first = (await self._session.execute(sample_of(filters, visible))).one()
            frequent = first.having >= SAMPLE * FREQUENT
            if frequent and first.looked_through == SAMPLE:
                most = COUNTED_OF_WORDS
            await self._session.execute(BY_ORDER if frequent or first.looked_through < SAMPLE else BY_WORDS)
        statement = page_of(filters, visible, sort, after=after, limit=limit, most=most)
        found = (await self._session.execute(statement)).all()
        counted = found[0].counted
        rows = [row for row in found if row.id is not None]
        return rows, {"value": min(counted, most), "exact": counted <= most}
