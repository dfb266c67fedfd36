"""Which numbers are meant, in the order asked for: one page of them, or all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Row, Select, func, literal_column, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.exports.formats import Column, Kind, Query
from service.inventory.filters import SEEN, Filters
from service.inventory.sorting import Sort
from service.kit.pagination import COUNTED

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
    return select(*(columns or ITEM)).where(*matching).order_by(*sort.order())


def page_of(filters: Filters, visible: Visible, sort: Sort, *, after: Position | None, limit: int) -> Select[Any]:
    """Rows in order, each with its `position` and `counted`: how many match in all, to COUNTED + 1.

    One statement, so that page and total are of one moment. It answers a row without an id where the page is empty.
    """
    matching = [*filters.conditions(), *visible.conditions(filters)]
    rows = all_of(filters, visible, sort, *ITEM, sort.position.label("position"))
    if after is not None:
        rows = rows.where(sort.beyond(after.key, after.number_id))
    page = rows.add_columns(func.row_number().over(order_by=sort.order()).label("place")).limit(limit).subquery("page")
    matches = select(literal_column("1")).select_from(SEEN).where(*matching).limit(COUNTED + 1).subquery("matches")
    counted = select(func.count().label("counted")).select_from(matches).subquery("counted")
    return select(counted.c.counted, *page.c).select_from(counted.outerjoin(page, true())).order_by(page.c.place)


def everything(filters: Filters, visible: Visible, sort: Sort) -> Query:
    """What the pages show, in their order; ids of people and what they wrote are text that anybody may have chosen."""
    columns = [Column(one.name, one, KINDS.get(one.name, "text")) for one in ITEM]
    return Query("numbers", columns, all_of(filters, visible, sort))


class InventoryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(
        self, filters: Filters, visible: Visible, sort: Sort, *, after: Position | None, limit: int
    ) -> tuple[Sequence[Row[Any]], int]:
        """At most `limit` rows after a position, and how many match, to COUNTED + 1."""
        found = (await self._session.execute(page_of(filters, visible, sort, after=after, limit=limit))).all()
        return [row for row in found if row.id is not None], found[0].counted
