"""What a field is filled with: values that its schema allows, at its edges, and values that break careless code."""

import json
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import Any
from uuid import UUID

Schema = dict[str, Any]
# Zero, one and the few after them, where counters, pages and divisions go wrong.
FEW = range(13)
EDGES_OF_INTEGERS = (2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 10**19, 10**40)
TEXTS = (
    "", " ", "x", "0", "-1", "null", "true", "NaN", "1e400", "a" * 64, "a" * 65, "a" * 129, "a" * 1001,
    "a\0b", "\ud800", "a\r\nX-Injected: 1", "\u202eevil", "\u2028", "\x7f", "\ufeffx", "e\u0301", "\U0001f4de" * 3,
    "' OR '1'='1", "\"; DROP TABLE numbers; --", "%s%n%x", "${jndi:ldap://x}", "{0.__class__}", "../../etc/passwd",
    "<script>alert(1)</script>", "%00", "%FF", "\\", "a,b;c", "٣١٣",
)  # fmt: skip
NO_NUMBERS = ("", " 7", "+7", "1.5", "1e3", "0x10", "٧", "NaN", "Infinity", "true", "null", "7 7", "9" * 400)
NO_IDS = ("0" * 32, "{" + "0" * 8 + "}", "0", "", "f" * 36, "\0", "00000000-0000-0000-0000-00000000000g")
# The farthest first, beyond which there is nothing to reckon with.
MOMENTS = (
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "2030-02-29T00:00:00Z", "2030-01-01T00:00:00", "2030-01-01", "2016-12-31T23:59:60Z",
    "-1", "1e20", "1900-01-01T00:00:00Z",
)  # fmt: skip
NONSENSE: tuple[Any, ...] = (None, True, 0, -1, 1.5, [], {}, [None], {"x": {"y": []}}, "x", 10**40)
# As bytes, for no writer of JSON would make them.
NO_JSON = (
    b"", b"null", b"[]", b'"x"', b"1", b"{", b"{}", b'{"a":1,"a":2}', b"[" * 5000, b'{"a":' * 40 + b"1" + b"}" * 40,
    b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":' + b"9" * 5000 + b"}", b"{}{}",
    b'{"": ""}', b'{"__proto__": {"x": 1}}', b"\0",
)  # fmt: skip


def resolved(document: Schema, schema: Schema) -> Schema:
    """What a reference, or one of several that is not null, comes to."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            [schema, *_] = [one for one in schema["anyOf"] if one.get("type") != "null"]
        else:
            return schema


def may_be_null(schema: Schema) -> bool:
    return any(one.get("type") == "null" for one in schema.get("anyOf", ()))


def edges(document: Schema, schema: Schema, depth: int = 3) -> Iterator[Any]:
    """Values around the edges of a schema, in and out, the likeliest to break something first."""
    if may_be_null(schema):
        yield None
    schema = resolved(document, schema)
    match schema.get("type"):
        case "integer" | "number":
            least, most = (schema.get(name, other) for name, other in (("minimum", 0), ("maximum", 2**31)))
            if schema["type"] == "integer":
                least, most = int(least), int(most)
            yield from (most, most - 1, most + 1, least - 1)
            yield from (least + step for step in FEW)
            yield from EDGES_OF_INTEGERS
            yield -(2**63)
            if schema["type"] == "number":
                yield from (0.1, 1e-9, 1e308, 0.001)
        case "boolean":
            yield from (True, False)
        case "array":
            yield from _lists(document, schema, depth)
        case "object":
            yield from _objects(document, schema, depth)
        case _ if "enum" in schema or "const" in schema:
            known = schema.get("enum") or [schema["const"]]
            yield from known
            yield from ("", str(known[0]).upper(), f"{known[0]}\0")
        case _ if schema.get("format") == "uuid":
            yield from (str(UUID(int=0)), str(UUID(int=2**128 - 1)).upper(), *NO_IDS)
        case _ if schema.get("format") == "date-time":
            yield from MOMENTS
        case _:
            shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 128)
            # The longest in letters is four times that in bytes.
            yield from ("b" * longest, "\U0001f4de" * longest, "b" * (longest - 1), "b" * (longest + 1), "b" * shortest)


def _lists(document: Schema, schema: Schema, depth: int) -> Iterator[Any]:
    inner = [*islice(edges(document, schema.get("items", {}), depth - 1), 8)] if depth else []
    most = schema.get("maxItems", 1000)
    yield []
    yield inner
    yield ["x", None]
    yield [f"x{place}" for place in range(most)]
    yield [f"x{place}" for place in range(most + 1)]
    yield from ([one] for one in inner)
    yield ["x", "x"]


def _objects(document: Schema, schema: Schema, depth: int) -> Iterator[Any]:
    """One member of each at an edge, then the next one of each."""
    yield {}
    members = schema.get("properties", {}) if depth else {}
    columns = ([*islice(edges(document, one, depth - 1), 12)] for one in members.values())
    for row in zip_longest(*columns, fillvalue=...):
        yield {name: value for name, value in zip(members, row, strict=True) if value is not ...}
    for name, one in members.items():
        for value in islice(edges(document, one, depth - 1), 3):
            yield {name: value}


def is_text(document: Schema, schema: Schema) -> bool:
    """Whether any text may be written there, as far as the schema says."""
    schema = resolved(document, schema)
    return schema.get("type", "string") == "string" and not schema.keys() & {"enum", "const", "format"}


def as_text(value: Any) -> str:
    """As a path, a query or a header has it."""
    return value if isinstance(value, str) else json.dumps(value)
