"""A spreadsheet as people save it: its encoding and its separator are told from the file itself. Pure.

Whatever is said of a number stands under a known header; a column that nobody knows is refused, never ignored.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.kit.csv_files import CHARSETS, HINT, SEPARATORS, encoding_of
from service.kit.errors import Fault, InvalidRequest
from service.kit.text import shown

COLUMNS = (
    "phone_number", "organization_id", "tenant_id", "user_id", "nickname", "cost_center", "tags", "acquired_at",
    "monthly_price", "setup_price", "currency",
)  # fmt: skip
NEEDED = "phone_number"
MOST_ROWS = 10_000
# So many rows with every cell filled, in an encoding of two bytes a character.
MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class SheetRow:
    """`line`: of the file, on which it begins, from 1. `cells`: those that are not empty, by column."""

    line: int
    cells: dict[str, str]
    fault: str | None = None


def read_sheet(body: bytes, charset: str | None = None) -> list[SheetRow]:
    """The rows below the header. `charset`: as it was declared, one of CHARSETS; a byte order mark says better.

    Raises: InvalidRequest, naming all that is wrong with the header, or the line from which on it cannot be read.
    """
    text = _decoded(body, charset)
    if hint := HINT.match(text):
        text = text[hint.end() :]
    offset = 1 if hint else 0
    separator = hint[1] if hint else _separator(text)
    records = _records(text, separator, offset)
    header = next(records, None)
    if header is None:
        raise InvalidRequest(Fault("", f"is empty: its first line names the columns, among them {NEEDED}"))
    names = [name.strip().lower().replace(" ", "_") for name in header[1]]
    while names and not names[-1]:  # As a spreadsheet pads them.
        names.pop()
    if faults := _faults_of(names):
        raise InvalidRequest(*faults)
    rows: list[SheetRow] = []
    for line, cells in records:
        if len(rows) == MOST_ROWS:
            raise InvalidRequest(Fault("", f"has more than {MOST_ROWS} rows; send it in parts"))
        rows.append(_row(line, names, cells))
    if not rows:
        raise InvalidRequest(Fault("", "has a header and no rows"))
    return rows


def _decoded(body: bytes, charset: str | None) -> str:
    encoding, marked = encoding_of(body, CHARSETS[charset] if charset else None)
    try:
        return body[marked:].decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            Fault("", f"is not valid {encoding.upper()} from byte {error.start} on; save it as CSV in UTF-8")
        ) from None


def _separator(text: str) -> str:
    """The one that makes most known columns of the first line."""
    first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0].lower()

    def known(separator: str) -> int:
        return sum(one.strip(' "\r').replace(" ", "_") in COLUMNS for one in first.split(separator))

    return max(SEPARATORS, key=known)


def _records(text: str, separator: str, offset: int) -> Iterator[tuple[int, list[str]]]:
    """Each record that is not empty, with the line on which it begins. Raises: InvalidRequest."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1 + offset
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InvalidRequest(Fault("", f"cannot be read from line {line} on: {error}")) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _faults_of(names: Sequence[str]) -> list[Fault]:
    faults = [
        Fault("", f"has a column {shown(name)!r}, which is not known; there are {', '.join(COLUMNS)}")
        for name in dict.fromkeys(names)
        if name not in COLUMNS
    ]
    faults += [Fault("", f"has the column {name} twice; which is meant?") for name in COLUMNS if names.count(name) > 1]
    if NEEDED not in names:
        faults.append(Fault("", f"has no column {NEEDED}; its first line names the columns"))
    return faults


def _row(line: int, names: Sequence[str], cells: Sequence[str]) -> SheetRow:
    given = [cell.strip() for cell in cells]
    if any(given[len(names) :]):
        return SheetRow(line, {}, f"it has {len(given)} cells, and there are {len(names)} columns")
    return SheetRow(line, {name: cell for name, cell in zip(names, given, strict=False) if cell})
