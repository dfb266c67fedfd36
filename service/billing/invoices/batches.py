"""A file read into lines and rejects, so many rows at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

from service.billing.invoices.lines import BadRow, Cell, Line, RowFault, line_of
from service.billing.invoices.mapping import InvoiceMapping, places_of
from service.billing.invoices.sheets import LONGEST_TEXT, Row, Sheet
from service.billing.invoices.spelling import Sign
from service.kit.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that is no line. `cells`: by member, as they would be written, for whoever mends it."""

    place: int
    line: int
    cells: Mapping[str, str]
    text: str
    faults: Sequence[RowFault]


@dataclass(slots=True)
class Batch:
    """`through`: the place of its last row. `ended`: there is none after it."""

    lines: list[tuple[int, Line]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    through: int = 0
    ended: bool = False

    @property
    def micros(self) -> int:
        return sum(line.micros for _, line in self.lines)


class Reader:
    """Raises: InvalidRequest where the columns are not those of the mapping."""

    def __init__(self, sheet: Sheet, mapping: InvoiceMapping, currency: str | None = None) -> None:
        places, faults = places_of(mapping, sheet.headers)
        if faults:
            raise InvalidRequest(*faults)
        self._sheet, self._mapping, self._places = sheet, mapping, places
        self.currency = currency
        self.through = 0

    @property
    def bytes_read(self) -> int:
        return self._sheet.bytes_read

    def skip(self, through: int) -> None:
        """Past the rows that were read before."""
        for row in self._sheet.rows:
            self.through = row.place
            if row.place >= through:
                return

    def batch(self, rows: int) -> Batch:
        """The next rows. Raises: InvalidRequest where the file cannot be read on."""
        found = Batch(through=self.through)
        count = 0
        for row in islice(self._sheet.rows, rows):
            count += 1
            found.through = row.place
            try:
                line = self._line(row)
            except BadRow as bad:
                found.rejects.append(self._reject(row, bad))
            else:
                self.currency = line.currency
                found.lines.append((row.place, line))
        self.through = found.through
        found.ended = count < rows
        return found

    def _line(self, row: Row) -> Line:
        if row.fault is not None:
            raise BadRow(RowFault("", row.fault))
        width = len(self._sheet.headers)
        if any(cell not in (None, "") for cell in row.cells[width:]):
            told = (
                f"has {len(row.cells)} cells, and there are {width} columns: is a separator within a cell not quoted?"
            )
            raise BadRow(RowFault("", told))
        return line_of(self._cells(row), self._mapping, self.currency)

    def _cells(self, row: Row) -> dict[str, Cell]:
        found: dict[str, Cell] = {}
        for member, place in self._places.items():
            cell = row.cells[place] if place < len(row.cells) else None
            if cell is not None:
                found[member] = cell
        return found

    def _reject(self, row: Row, bad: BadRow) -> Reject:
        decimal = self._mapping.decimal
        cells = {} if row.fault else {name: _written(cell, decimal) for name, cell in self._cells(row).items()}
        return Reject(row.place, row.line, cells, storable(row.text), bad.faults)


def _written(cell: Cell, decimal: Sign | None) -> str:
    """As the file would write it by its mapping."""
    if isinstance(cell, str):
        return storable(cell)
    return cell.isoformat() if isinstance(cell, date) else f"{cell:f}".replace(".", decimal or ".")


def storable(text: str) -> str:
    """Cut, and with U+FFFD for what no database keeps: whoever mends the row says what was meant."""
    return text[:LONGEST_TEXT].replace("\0", "\ufffd")
