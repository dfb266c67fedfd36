"""Spreadsheets in every spelling that people save them in."""

import codecs
import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.imports.sheets import COLUMNS, SheetRow, read_sheet
from service.kit.errors import InvalidRequest

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
CELLS = TEXT.map(str.strip)
ENCODINGS = st.sampled_from(
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-16-le with a mark", "utf-16-be with a mark"]
)
MARKED = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def encoded(text: str, encoding: str) -> bytes:
    plain, _, marked = encoding.partition(" with ")
    return (MARKED[plain] if marked else b"") + text.encode(plain)


@st.composite
def sheets(draw: st.DrawFn) -> tuple[list[dict[str, str]], bytes]:
    """Rows, and a file that a spreadsheet may have written of them."""
    columns = draw(st.permutations(COLUMNS))[: draw(st.integers(1, len(COLUMNS)))]
    columns = list(dict.fromkeys(["phone_number", *columns]))
    rows = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(columns, CELLS)), min_size=1, max_size=6))
    rows = [row | {"phone_number": row["phone_number"] or "1"} for row in rows]
    # Spaces, or capitals, as people write headers.
    header = [
        draw(st.sampled_from([name, name.upper(), name.replace("_", " "), f" {name.title()} "])) for name in columns
    ]
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=draw(st.sampled_from(",;\t")),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerow(header)
    writer.writerows([row[name] for name in columns] for row in rows)
    return rows, encoded(out.getvalue(), draw(ENCODINGS))


@given(sheets())
def test_every_way_to_write_a_sheet_reads_the_same(sheet: tuple[list[dict[str, str]], bytes]):
    rows, body = sheet
    found = read_sheet(body)
    assert [row.cells for row in found] == [{name: cell for name, cell in row.items() if cell} for row in rows]
    assert [row.line for row in found] == list(range(2, len(rows) + 2))
    assert not any(row.fault for row in found)


@given(st.binary(max_size=200))
@example(b"phone_number\n\x00")
@example(b"sep=;\nphone_number\n1")
@example(b"\xff\xfe")
@example(b'"')
def test_whatever_is_sent_is_read_or_refused_in_words(body: bytes):
    try:
        told = [row.fault or row.cells for row in read_sheet(body)]
    except InvalidRequest as refused:
        told = refused.members["errors"]
    assert told
    assert len(str(told)) < 5000


@given(st.lists(TEXT, min_size=1, max_size=5))
@example(["X"])
def test_a_column_that_is_not_known_is_refused_and_every_one_named(names: list[str]):
    cleaned = [name.replace('"', "").replace("\r", "").strip() for name in names]
    strange = [name for name in cleaned if name.lower().replace(" ", "_") not in COLUMNS]
    out = io.StringIO()
    csv.writer(out).writerows([["phone_number", *cleaned, "x"], ["1"]])
    with pytest.raises(InvalidRequest) as refused:
        read_sheet(out.getvalue().encode())
    told = " ".join(fault["detail"] for fault in refused.value.members["errors"])
    strangers = {"x", *(one.replace(" ", "_").lower() for one in strange)}
    assert told.count("which is not known") == len(strangers)


def test_lines_are_those_of_the_file_whatever_a_cell_holds():
    sheet = b'phone_number,nickname\n\n1,"two\nlines"\n\n2,b\n3,c,d\n4,e,\n'
    assert read_sheet(sheet) == [
        SheetRow(3, {"phone_number": "1", "nickname": "two\nlines"}),
        SheetRow(6, {"phone_number": "2", "nickname": "b"}),
        SheetRow(7, {}, "it has 3 cells, and there are 2 columns"),
        SheetRow(8, {"phone_number": "4", "nickname": "e"}),
    ]


def test_the_hint_that_excel_writes_names_the_separator():
    assert read_sheet(b"sep=;\r\nphone_number;tags\r\n1;a,b\r\n") == [
        SheetRow(3, {"phone_number": "1", "tags": "a,b"})
    ]  # fmt: skip


def test_columns_that_a_spreadsheet_pads_with_are_no_columns():
    assert read_sheet(b"phone_number,,\n1,,\n") == [SheetRow(2, {"phone_number": "1"})]


def test_a_charset_that_is_declared_is_believed_where_no_mark_says_otherwise():
    assert read_sheet("phone_number,nickname\n1,Zürich\n".encode("windows-1252"), "windows-1252")[0].cells == {
        "phone_number": "1",
        "nickname": "Zürich",
    }
    assert read_sheet("phone_number\n1\n".encode("utf-16"), "utf-8")[0].cells == {"phone_number": "1"}
