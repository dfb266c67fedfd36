"""Which numbers are meant, of those that may be seen, in the order asked for."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal_column, select, union_all

from service.inventory.filters import HELD, RELEASED, SEEN, Filters
from service.inventory.sorting import Sort
from service.tenants.visible import Visible

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


@dataclass(frozen=True, slots=True)
class Position:
    """The row that a page ended with: where it stood in the order, and its id."""

    key: str
    number_id: UUID


def all_of(
    filters: Filters,
    visible: Visible,
    sort: Sort,
    *columns: ColumnElement[Any],
    after: Position | None = None,
    most: int | None = None,
) -> Select[Any]:
    """Every number that is meant, or the first `most`, in order; the columns of an item without others named."""
    columns = columns or ITEM
    parts, filters = _parts(filters, sort)
    matching = [*filters.conditions(), *visible.conditions(SEEN, filters.organization_id)]
    if after is not None:
        matching.append(sort.beyond(after.key, after.number_id))
    if not parts:
        return select(*columns).where(*matching).order_by(*_order(filters, sort)).limit(most)
    asked = select(*columns, sort.key.label("part_key"), SEEN.c.id.label("part_id")).where(*matching)
    each = [asked.where(*part).order_by(*sort.order()).limit(most) for part in parts]
    whole = union_all(*each).subquery("parts")
    in_order = sort.directed(whole.c.part_key, whole.c.part_id)
    return select(*list(whole.c)[: len(columns)]).order_by(*in_order).limit(most)


def _parts(filters: Filters, sort: Sort) -> tuple[list[list[ColumnElement[bool]]], Filters]:
    """What is asked for in parts that share nothing, where an index has each of them in this order and none the whole;
    and the filters that hold for all of them, without what the parts say.

    The parts are merged as they are read, so a page goes through as many rows as it shows. Numbers of an area code are
    a range of numbers, for it is read off the number itself; what is released has an index by age of its own.
    """
    parts: list[list[ColumnElement[bool]]] = [[]]
    codes, mixed = filters.area_codes or (), not filters.held_only and filters.states != ("released",)
    if filters.narrow:
        codes = ()
    if codes and sort.by == "phone_number":
        parts = [[SEEN.c.phone_number.between(f"+1{code}0000000", f"+1{code}9999999")] for code in codes]
        filters = replace(filters, area_codes=None)
    elif len(codes) > 1 and sort.by == "acquired_at" and filters.organization_id is not None:
        parts = [[SEEN.c.area_code == code] for code in codes]
        filters = replace(filters, area_codes=None)
    if mixed and sort.by == "acquired_at":
        parts = [[*part, state] for part in parts for state in (HELD, RELEASED)]
    return [] if parts == [[]] else parts, filters


def _order(filters: Filters, sort: Sort) -> list[ColumnElement[Any]]:
    """An area code's numbers lie together in the order of numbers, and the planner, who takes them to lie everywhere,
    would go through all that lie before: so this order is not an index's, and they are sorted.
    """
    if filters.area_codes is None or sort.by != "phone_number":
        return sort.order()
    return sort.directed(SEEN.c.phone_number.concat(literal_column("''")), SEEN.c.id)
