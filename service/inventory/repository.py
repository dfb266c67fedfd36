"""Which numbers a filter means, and one page of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, literal_column, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service.exports.formats import Column, Kind, Query
from service.kit.pagination import COUNTED
from service.numbers.models import Number

ITEM = (
    Number.id,
    Number.phone_number,
    Number.state,
    Number.organization_id,
    Number.tenant_id,
    Number.user_id,
    Number.area_code,
    Number.nickname,
    Number.cost_center,
    Number.tags,
    Number.acquired_at,
    Number.confirmed_at,
    Number.released_at,
)
KINDS: dict[str, Kind] = {
    "id": "uuid", "phone_number": "word", "state": "word", "area_code": "word", "tags": "texts",
    "acquired_at": "moment", "confirmed_at": "moment", "released_at": "moment",
}  # fmt: skip
Position = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; None is no condition, and for `states` all but released."""

    organization_id: str | None = None
    tenant_id: str | None = None
    user_id: str | None = None
    states: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """For the cursor: it continues these filters and no others."""
        return {
            "list": "inventory",
            "organization_id": self.organization_id,
            "tenant_id": self.tenant_id,
            "user_id": self.user_id,
            "states": sorted(self.states) if self.states is not None else None,
        }

    def conditions(self) -> list[ColumnElement[bool]]:
        found = [Number.state != "released" if self.states is None else Number.state.in_(self.states)]
        if self.organization_id is not None:
            found.append(Number.organization_id == self.organization_id)
        if self.tenant_id is not None:
            found.append(Number.tenant_id == self.tenant_id)
        if self.user_id is not None:
            found.append(Number.user_id == self.user_id)
        return found


@dataclass(frozen=True, slots=True)
class Visible:
    """A tenant's own numbers, and all of the organisations in `sees`; ("*",) is all there are.

    Row-level security says the same. It is said here too: so that an index can be used, and because one of the two may
    be wrong.
    """

    tenant_id: str | None
    sees: tuple[str, ...]

    def conditions(self, filters: Filters) -> list[ColumnElement[bool]]:
        if "*" in self.sees or filters.organization_id in self.sees:
            return []
        own = Number.tenant_id == self.tenant_id
        seen = Number.organization_id.in_(self.sees)
        if self.tenant_id is None:
            return [seen]
        return [or_(own, seen)] if self.sees and filters.organization_id is None else [own]


def page_of(filters: Filters, visible: Visible, *, after: Position | None, limit: int) -> Select[Any]:
    """Rows in the order in which they were acquired, each with `counted`: how many match in all, to COUNTED + 1.

    One statement, so that page and total are of one moment. It answers a row without an id where the page is empty.
    """
    matching = [*filters.conditions(), *visible.conditions(filters)]
    beyond = [tuple_(Number.acquired_at, Number.id) > tuple_(*after)] if after is not None else []
    page = select(*ITEM).where(*matching, *beyond).order_by(Number.acquired_at, Number.id).limit(limit).subquery("page")
    matches = select(literal_column("1")).select_from(Number).where(*matching).limit(COUNTED + 1).subquery("matches")
    counted = select(func.count().label("counted")).select_from(matches).subquery("counted")
    return (
        select(counted.c.counted, *page.c)
        .select_from(counted.outerjoin(page, true()))
        .order_by(page.c.acquired_at, page.c.id)
    )


def everything(filters: Filters, visible: Visible) -> Query:
    """What the pages show, in their order; ids of people and what they wrote are text that anybody may have chosen."""
    columns = [Column(one.key, one.expression, KINDS.get(one.key, "text")) for one in ITEM]
    matching = [*filters.conditions(), *visible.conditions(filters)]
    return Query("numbers", columns, select(Number).where(*matching).order_by(Number.acquired_at, Number.id))


class InventoryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(
        self, filters: Filters, visible: Visible, *, after: Position | None, limit: int
    ) -> tuple[Sequence[Row[Any]], int]:
        """At most `limit` rows after a position, and how many match, to COUNTED + 1."""
        found = (await self._session.execute(page_of(filters, visible, after=after, limit=limit))).all()
        return [row for row in found if row.id is not None], found[0].counted
