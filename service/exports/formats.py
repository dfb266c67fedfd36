"""How rows are written: which media types there are, and what Postgres is told to COPY for each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Text, case, cast, func, literal_column

# A `word` is text of a fixed form that the gateway itself writes; `text` may hold whatever somebody sent. A `whole` is
# an integer of eight bytes, a `decimal` has six digits behind its point at most.
Kind = Literal["word", "text", "texts", "uuid", "moment", "day", "whole", "decimal"]


@dataclass(frozen=True, slots=True)
class Format:
    """`media_type`: as it is answered, parameters and all."""

    name: Literal["csv", "ndjson", "parquet"]
    media_type: str

    @property
    def accepted_as(self) -> str:
        return self.media_type.partition(";")[0]


CSV = Format("csv", "text/csv; charset=utf-8; header=present")
NDJSON = Format("ndjson", "application/x-ndjson")
PARQUET = Format("parquet", "application/vnd.apache.parquet")
FORMATS = {one.media_type: one for one in (CSV, NDJSON, PARQUET)}

# What a spreadsheet takes for the beginning of a formula, or passes over to find one: OWASP, "CSV Injection". The
# apostrophe itself is among them, so that one at the beginning is always ours and can be taken off again.
FORMULA = tuple(ord(character) for character in "=+-@\t\r\n '＝＋－＠")
# Where the spreadsheet of another country would begin a cell, the quotes around this one being nothing to it. What was
# an apostrophe there is one of two then.
INNER = r"([;,\t\r\n][ \t\r\n\f\v\u00a0\u3000]*)('*[=+@＝＋－＠-])"
MOMENT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    value: ColumnElement[Any]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows, and in what order; `name` is what a file of them is called."""

    name: str
    columns: Sequence[Column]
    rows: Select[Any]


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be copied, and the options of COPY."""

    statement: Select[Any]
    options: dict[str, Any]


# A CSV of one column whose marks JSON never has: what comes out is the JSON, a line each.
LINES: dict[str, Any] = {"format": "csv", "delimiter": "\x02", "quote": "\x01"}


def copy_of(query: Query, wanted: Format) -> Copy:
    """For Parquet as CSV too, for `service.exports.parquet` to read."""
    if wanted is NDJSON:
        return Copy(query.rows.with_only_columns(_line(query.columns)), LINES)
    written = _for_people if wanted is CSV else _for_parquet
    rows = query.rows.with_only_columns(*(written(one).label(one.name) for one in query.columns))
    return Copy(rows, {"format": "csv", "header": wanted is CSV})


def _line(columns: Sequence[Column]) -> ColumnElement[str]:
    """A JSON object, put together: `row_to_json` takes half as long again."""
    parts: list[ColumnElement[Any]] = []
    for place, column in enumerate(columns):
        parts += [_written(f"{',' if place else '{'}{dumps(column.name)}:"), _json_value(column)]
    return func.concat(*parts, _written("}"))


def _json_value(column: Column) -> ColumnElement[Any]:
    if column.kind in ("text", "texts"):
        value: ColumnElement[Any] = _json_text(column)
    elif column.kind in ("whole", "decimal"):
        value = cast(column.value, Text)
    else:
        # Nothing in it has to be escaped.
        value = _written('"').concat(cast(_as_json(column), Text)).concat(_written('"'))
    return func.coalesce(value, _written("null"))


def _written(text: str) -> ColumnElement[str]:
    """Of our own names and signs, in which there is no apostrophe; not one of many parameters."""
    return literal_column(f"'{text}'", Text)


def _for_people(column: Column) -> ColumnElement[Any]:
    """A cell that no spreadsheet runs."""
    if column.kind == "text":
        inner, begins = _guarded(column.value), func.ascii(column.value).in_(FORMULA)
        return case((begins, func.concat("'", inner)), else_=inner)
    # A list is a JSON array: no other spelling keeps every text.
    return _guarded(_json_text(column)) if column.kind == "texts" else _as_json(column)


def _guarded(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.regexp_replace(value, INNER, r"\1'\2", "g")


def _as_json(column: Column) -> ColumnElement[Any]:
    """As a JSON listing writes it: a fraction has six digits, or is left out."""
    if column.kind != "moment":
        return column.value
    return func.replace(func.to_char(func.timezone("UTC", column.value), MOMENT), ".000000Z", "Z")


def _for_parquet(column: Column) -> ColumnElement[Any]:
    """A row is a line: what may hold a line break is JSON, which writes it as an escape."""
    return _json_text(column) if column.kind in ("text", "texts") else column.value


def _json_text(column: Column) -> ColumnElement[Any]:
    return cast(func.to_json(column.value), Text)
