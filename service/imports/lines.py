"""From the rows of a spreadsheet to what is said of each number, and what is wrong with each row. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from service.http.problems import faults_of
from service.imports.schemas import Given, GivenRow
from service.imports.sheets import NEEDED, SheetRow
from service.kit.text import shown
from service.reconciliation.importable import WORDS, Reason, Said

LONGEST_NUMBER = 40
LONGEST_FAULT = 500


@dataclass(frozen=True, slots=True)
class Line:
    """A row and what it says; or why it says nothing, in a stable word and in others. `seq`: its line, or its place."""

    seq: int
    phone_number: str | None
    said: Said | None = None
    reason: Reason | None = None
    detail: str | None = None


def lines_of(rows: Iterable[SheetRow], given: Given) -> list[Line]:
    """`given`: what is said of all of which their rows say nothing else."""
    return _each_once([_line(row, given) for row in rows])


def said_of(phone_number: str, given: Given, row: GivenRow | None = None) -> Said:
    """Raises: ValueError, saying what is missing."""
    own = row.model_dump(exclude_none=True) if row is not None else {}
    told = given.model_copy(update={name: value for name, value in own.items() if name in Given.model_fields})
    if told.tenant_id is None:
        raise ValueError("tenant_id: is required, in the row or for all")
    return Said(
        phone_number,
        told.tenant_id,
        organization_id=told.organization_id,
        user_id=own.get("user_id"),
        otherwise=given.user_id,
        nickname=own.get("nickname"),
        cost_center=told.cost_center,
        tags=tuple(dict.fromkeys(told.tags or ())),
        acquired_at=told.acquired_at,
        price=told.price(),
    )


def _line(sheet: SheetRow, given: Given) -> Line:
    number = sheet.cells.get(NEEDED)
    as_told = number and shown(number, LONGEST_NUMBER)
    if sheet.fault is not None:
        return Line(sheet.line, as_told, reason="bad_row", detail=sheet.fault)
    try:
        row = GivenRow.model_validate({**sheet.cells, **_tags(sheet)})
        return Line(sheet.line, row.phone_number, said_of(row.phone_number, given, row))
    except ValidationError as error:
        faults = faults_of([{**one, "loc": _whole(one["loc"])} for one in error.errors()])
        detail = "; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults)
    except ValueError as error:
        detail = str(error)
    return Line(sheet.line, as_told, reason="bad_row", detail=detail[:LONGEST_FAULT])


def _tags(sheet: SheetRow) -> dict[str, list[str]]:
    return {"tags": split_tags(sheet.cells["tags"])} if "tags" in sheet.cells else {}


def split_tags(text: str) -> list[str]:
    """Tags as one cell holds them, with semicolons between."""
    return [tag.strip() for tag in text.split(";") if tag.strip()]


def _whole(location: Sequence[int | str]) -> tuple[int | str, ...]:
    """Of an element of a cell the cell."""
    return tuple(location[:1])


def _each_once(lines: Sequence[Line]) -> list[Line]:
    """A number that stands in several lines counts once where all say the same, else not at all."""
    places: dict[str, list[Line]] = {}
    for line in lines:
        if line.said is not None:
            places.setdefault(line.said.phone_number, []).append(line)
    return [_but_once(line, places[line.said.phone_number]) if line.said else line for line in lines]


def _but_once(line: Line, same: Sequence[Line]) -> Line:
    others = [str(one.seq) for one in same if one is not line]
    alike = all(one.said == line.said for one in same)
    if not others or (alike and line is same[0]):
        return line
    return replace(line, said=None, reason="twice", detail=f"{WORDS['twice']} Line {', '.join(others[:5])}.")
