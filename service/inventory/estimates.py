"""How many numbers match, where to count them all would cost many times what a page does.

From what Postgres knows of the values in each column, without reading a row. It is not told to whoever stands under
row-level security where a comparison might tell of rows, as those of what people wrote might: so of the first rows the
share that has it is looked at instead.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement, Executable, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles

from service.inventory.filters import LOOKED_THROUGH, SEEN, Filters
from service.inventory.selecting import all_of
from service.inventory.sorting import Sort
from service.tenants.visible import Visible

SAMPLE = 2_000


class Explain(Executable, ClauseElement):
    """The plan of a statement, as these options of EXPLAIN have it told."""

    inherit_cache = False

    def __init__(self, statement: Select[Any], told: str) -> None:
        self.statement, self.told = statement, told


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **named: Any) -> str:
    return f"EXPLAIN ({element.told}) {compiler.process(element.statement, **named)}"


@dataclass(frozen=True, slots=True)
class Share:
    """Of the first SAMPLE numbers, whatever people wrote of them, those of which they wrote what is asked for."""

    looked_through: int
    having: int

    @property
    def of_all(self) -> bool:
        return self.looked_through < SAMPLE


async def share_of(session: AsyncSession, filters: Filters, visible: Visible) -> Share:
    first = all_of(filters.unwritten, visible, Sort(), *LOOKED_THROUGH, most=SAMPLE).subquery("first")
    having = func.count().filter(*filters.written_in(first))
    found = (await session.execute(select(func.count(), having).select_from(first))).one()
    return Share(*found)


async def estimate_of(session: AsyncSession, filters: Filters, visible: Visible, share: Share | None) -> int:
    """`share`: of what people wrote, where it was looked at already."""
    known = filters.unwritten
    matching: Select[Any] = select(literal_column("1")).where(
        *known.conditions(), *visible.conditions(SEEN, known.organization_id)
    )
    [[plan]] = (await session.execute(Explain(matching, "FORMAT JSON"))).all()
    rows = int(plan[0]["Plan"]["Plan Rows"])
    if known == filters:
        return rows
    share = share or await share_of(session, filters, visible)
    return rows * share.having // max(1, share.looked_through)
