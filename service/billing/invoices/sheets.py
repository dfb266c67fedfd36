"""A supplier's file, CSV or XLSX, row by row in constant memory, with bounds on all that it can make grow.

A row that cannot be read is told with the others: it is kept aside, and the rest is read.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

from service.billing.invoices.lines import Cell
from service.billing.invoices.mapping import InvoiceMapping, normal
from service.kit.csv_files import CHARSETS, HINT, SEPARATORS, encoding_of
from service.kit.errors import Fault, InvalidRequest
from service.kit.text import shown

MOST_COLUMNS = 200
# Of a line each, of MOST_MICROS: their sum can be stored.
MOST_ROWS = 5_000_000
HEAD = 1 << 20
LONGEST_TEXT = 2048
# Of one row of a file, characters; a workbook's elements count as so many each, for that is what they come to.
LONGEST_ROW = 2 << 20
AN_ELEMENT = 50
# Excel has no more; one that says that it is the thousand-millionth has empty ones before it without end.
MOST_LINES = 1 << 20
# Of a workbook: bytes unpacked, of all and of what is held in memory of a file (its words, and what is not within a
# row), how often a file may have been packed into itself, and files. What honest spreadsheets come to is a tenth of it.
MOST_UNPACKED = 2 << 30
MOST_WORDS = 256 << 20
MOST_RATIO = 200
PACKED_WELL = 1 << 20
MOST_FILES = 1000
# As they are named again; what a mark alone tells is told by it every time.
NAMED = {"utf-8": "utf-8", "windows-1252": "windows-1252", "utf-16-le": "utf-16le", "utf-16-be": "utf-16be"}
ZIP, OLE, PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF"
# What a damaged workbook makes of the library.
DAMAGED = (zipfile.BadZipFile, ParseError, expat.ExpatError, KeyError, ValueError, TypeError, AttributeError,
           IndexError, EOFError, NotImplementedError, RuntimeError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """`place`: from 1, below the header. `line`: of the file, on which it begins. `text`: as it stands there."""

    place: int
    line: int
    cells: Sequence[Cell | None]
    text: str
    fault: str | None = None


class Sheet:
    """An open file. `headers`: of its columns. `charset` and so on: as was said, or told from the file."""

    def __init__(
        self,
        headers: Sequence[str],
        rows: Iterator[Row],
        *,
        charset: str | None = None,
        separator: str | None = None,
        name: str | None = None,
        file: IO[bytes] | None = None,
    ) -> None:
        self.headers, self.rows = headers, rows
        self.charset, self.separator, self.name = charset, separator, name
        self._file = file

    @property
    def bytes_read(self) -> int:
        """So far; of a workbook it is not known."""
        return self._file.tell() if self._file is not None and not self._file.closed else 0


def open_sheet(file: IO[bytes], mapping: InvoiceMapping | None = None) -> Sheet:
    """`file` stays its owner's to close. Raises: InvalidRequest for what is no such file; its rows too, where it cannot
    be read on.
    """
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    if not head.strip(b"\0\t\r\n ,;"):
        raise InvalidRequest(Fault("", "is empty: its first line names the columns, among them that of the amounts"))
    if head.startswith(OLE):
        raise InvalidRequest(
            Fault("", "is an Excel file of before 2007, or has a password: save it as .xlsx without one, or as CSV")
        )
    if head.startswith(PDF):
        raise InvalidRequest(Fault("", "is a PDF: ask the supplier for its lines as CSV or XLSX"))
    return _open_xlsx(file, mapping) if head.startswith(ZIP) else _open_csv(file, head, mapping)


def _open_csv(file: IO[bytes], head: bytes, mapping: InvoiceMapping | None) -> Sheet:
    charset, marked = encoding_of(head, CHARSETS.get((mapping and mapping.charset) or ""))
    if charset == "utf-8" and not marked and (mapping is None or mapping.charset is None):
        charset = _utf8_or_windows(head)
    file.seek(marked)
    text = _Borrowed(file, encoding=charset, errors="replace", newline="")
    first = _line_of(text)
    offset = 0
    separator = mapping.separator if mapping else None
    if hint := HINT.fullmatch(first):
        separator, offset, first = hint[1], 1, _line_of(text)
    for _ in range(mapping.skip if mapping else 0):
        first, offset = _line_of(text), offset + 1
    while first and not first.strip():
        first, offset = _line_of(text), offset + 1
    separator = separator or max(SEPARATORS, key=first.count)
    records = _records(_Lines(first, text), separator, offset)
    header = next(records, None)
    if header is None or header.fault is not None:
        told = "its first line names the columns" if header is None else f"its first line {header.fault}"
        raise InvalidRequest(Fault("", f"has no header: {told}"))
    headers = _headers([str(cell) for cell in header.cells])
    return Sheet(headers, _bounded(records), charset=NAMED.get(charset), separator=separator, file=file)


def _utf8_or_windows(head: bytes) -> str:
    """Of a file without a mark, by its beginning; a character may be cut where that ends."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return "utf-8" if error.start >= len(head) - 3 and len(head) == HEAD else "windows-1252"
    return "utf-8"


class _Borrowed(io.TextIOWrapper):
    """Text of a file that is not closed with it."""

    def close(self) -> None:
        pass


def _line_of(text: io.TextIOBase) -> str:
    """The next line, "" at the end. Raises: InvalidRequest."""
    line = text.readline(LONGEST_ROW + 1)
    _check_length(len(line))
    return line


def _check_length(of_row: int) -> None:
    """Raises: InvalidRequest for a row that no memory should have to hold."""
    if of_row > LONGEST_ROW:
        told = f"has a row of more than {LONGEST_ROW} characters: is it one of lines, and are its quotes closed?"
        raise InvalidRequest(Fault("", told))


class _Lines:
    """The lines of a text, and what was read of a record since it was begun. Raises: as `_line_of`."""

    def __init__(self, first: str, rest: io.TextIOBase) -> None:
        self._first: str | None = first
        self._rest = rest
        self.begin()

    def begin(self) -> None:
        self.seen, self._length = "", 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._first if self._first is not None else _line_of(self._rest)
        self._first = None
        if not line:
            raise StopIteration
        self._length += len(line)
        _check_length(self._length)
        if len(self.seen) < LONGEST_TEXT:
            self.seen += line
        return line


def _records(lines: _Lines, separator: str, offset: int) -> Iterator[Row]:
    """Each record that is not empty; its place is 0 for the first, which is the header."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    place = 0
    while True:
        lines.begin()
        line, fault, cells = reader.line_num + 1 + offset, None, []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault = _in_words(str(error), line, reader.line_num + offset)
        if fault or any(map(str.strip, cells)):
            yield Row(place, line, cells, lines.seen[:LONGEST_TEXT].rstrip("\r\n"), fault)
            place += 1


def _in_words(error: str, line: int, last: int) -> str:
    if "unexpected end of data" in error or "field larger" in error:
        return (
            f"opens a quote on line {line} that is not closed; all as far as line {last} lies within it: mend the file,"
            " or give every value here"
        )
    return "has a quote within a cell that is not doubled: mend it as the supplier meant it"


def _bounded(records: Iterator[Row]) -> Iterator[Row]:
    for row in records:
        if row.place > MOST_ROWS:
            raise InvalidRequest(Fault("", f"has more than {MOST_ROWS} rows: file it in parts"))
        yield row


def _headers(cells: Sequence[str]) -> list[str]:
    """Raises: InvalidRequest."""
    headers = [cell.strip() for cell in cells]
    while headers and not headers[-1]:  # As a spreadsheet pads them.
        headers.pop()
    if len(headers) > MOST_COLUMNS:
        raise InvalidRequest(Fault("", f"has {len(headers)} columns, and {MOST_COLUMNS} are the most: leave some out"))
    if not any(normal(header)[:1].isalpha() for header in headers):
        told = f"has no header: its first line is {shown(', '.join(headers))!r}, and must name the columns"
        raise InvalidRequest(Fault("", told))
    return headers


def _open_xlsx(file: IO[bytes], mapping: InvoiceMapping | None) -> Sheet:
    # Four megabytes that a process which never sees a workbook does without.
    from openpyxl.reader.excel import ExcelReader

    check_unpacked(file)
    try:
        reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
        reader.archive = _Packed(file)
        reader.read()
        book = reader.wb
    except (*DAMAGED, OSError) as error:
        # Of the machine an OSError has a number; of what the library does not find in a document of another kind, none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InvalidRequest(Fault("", "is no workbook of Excel, or is damaged: save it anew, or as CSV")) from None
    wanted = mapping.sheet if mapping else None
    names = [sheet.title for sheet in book.worksheets]
    if not names or (wanted is not None and wanted not in names):
        named = ", ".join(map(shown, names)) or "none"
        raise InvalidRequest(Fault("", f"has no sheet {shown(wanted or '')!r}; there are {named}"))
    name = wanted or names[0]
    sheet = book[name]
    sheet.reset_dimensions()  # What it says of its own size need not be so.
    records = _of_workbook(sheet.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True), mapping.skip if mapping else 0)
    header = next(records, None)
    if header is None:
        raise InvalidRequest(Fault("", f"is empty: the sheet {shown(name)!r} has no rows"))
    return Sheet(_headers([_as_text(cell) for cell in header.cells]), _bounded(records), name=name)


def check_unpacked(file: IO[bytes]) -> None:
    """Raises: InvalidRequest for a workbook that unpacks to more than is read; it is held to the size it declares."""
    try:
        with zipfile.ZipFile(file) as packed:
            files = packed.infolist()
    except DAMAGED:
        raise InvalidRequest(Fault("", "is a damaged ZIP: save it anew, or as CSV")) from None
    file.seek(0)
    told = None
    if len(files) > MOST_FILES:
        told = f"holds {len(files)} files, and a workbook {MOST_FILES} at most"
    elif sum(one.file_size for one in files) > MOST_UNPACKED:
        told = f"unpacks to more than {MOST_UNPACKED >> 20} MiB"
    elif any(one.file_size > MOST_WORDS for one in files if one.filename.lower().endswith("sharedstrings.xml")):
        told = f"holds more than {MOST_WORDS >> 20} MiB of words"
    elif any(one.file_size > max(PACKED_WELL, MOST_RATIO * one.compress_size) for one in files):
        told = f"unpacks to more than {MOST_RATIO} times its size"
    if told is not None:
        raise InvalidRequest(Fault("", f"{told}: save it as CSV"))


class _Packed(zipfile.ZipFile):
    """A workbook of which each file is watched as it is unpacked, whatever name it goes by."""

    def open(self, name: Any, *asked: Any, **named: Any) -> Any:
        return _Watched(super().open(name, *asked, **named))


class _Watched:
    """XML on its way to the library, which keeps all of a file in memory but the rows that have ended.

    Raises: InvalidRequest for more of it than is held: elements and characters of one row, and of all that is in none.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._begins
        self._parser.EndElementHandler = self._ends
        self._parser.CharacterDataHandler = lambda text: self._count(len(text))
        self._depth = self._of_row = self._elsewhere = 0

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._parser.Parse(piece, size < 0 or not piece)
        return piece

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begins(self, name: str, said: dict[str, str]) -> None:
        if self._depth:
            self._depth += 1
        elif name.rpartition(" ")[2] == "row":
            if float(said.get("r", 0)) > MOST_LINES:
                raise InvalidRequest(Fault("", f"has a row beyond the {MOST_LINES} that Excel has: save it as CSV"))
            self._depth, self._of_row = 1, 0
            self._elsewhere += AN_ELEMENT  # Empty, it stays.
        self._count(AN_ELEMENT)

    def _ends(self, _: str) -> None:
        self._depth -= self._depth > 0

    def _count(self, more: int) -> None:
        if self._depth:
            self._of_row += more
            _check_length(self._of_row)
        else:
            self._elsewhere += more
            if self._elsewhere > MOST_WORDS:
                raise InvalidRequest(Fault("", f"holds more than {MOST_WORDS >> 20} MiB of words: save it as CSV"))


def _of_workbook(rows: Iterator[Sequence[Any]], skip: int) -> Iterator[Row]:
    """Raises: InvalidRequest where it cannot be read on."""
    place = 0
    line = skip
    try:
        for values in islice(rows, skip, None):
            line += 1
            cells = [_cell(value) for value in values]
            while cells and cells[-1] is None:
                cells.pop()
            if cells:
                yield Row(place, line, cells, "\t".join(map(_as_text, cells))[:LONGEST_TEXT])
                place += 1
    except DAMAGED:
        raise InvalidRequest(Fault("", f"cannot be read from row {line + 1} on: save it anew, or as CSV")) from None


def _cell(value: object) -> Cell | None:
    """A cell of a workbook. Its numbers are binary: to the fifteen digits that Excel shows, they are what was meant."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(f"{value:.15g}")
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else str(value)


def _as_text(cell: Cell | None) -> str:
    return "" if cell is None else f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
