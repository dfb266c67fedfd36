"""docs/events.md: the tables in it are made from the catalogue, the words around them are written by hand."""

from itertools import groupby
from pathlib import Path
from typing import Any

from service.outbox.catalogue import EVENTS, Event, schema_of, told

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
BEGIN, END = "<!-- python -m tests.outbox writes from here -->\n", "<!-- to here -->\n"
HEAD = "| `type` | Written when | `data` |\n|---|---|---|\n"


def tables() -> str:
    """Every event, a table for each group."""
    pieces = []
    for group, kinds in groupby(EVENTS, key=lambda kind: kind.partition(".")[0]):
        lines = [f"| `{kind}` | {told(kind)} | {_members(kind)} |\n" for kind in kinds]
        pieces.append(f"### `{group}.*`\n\n{HEAD}{''.join(lines)}")
    return "\n" + "\n".join(pieces) + "\n"


def with_tables(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{tables()}{END}{after}"


def _members(kind: str) -> str:
    data = schema_of(kind)["properties"]["data"]
    required = data.get("required", [])
    return ", ".join(_member(name, one, name in required) for name, one in data["properties"].items())


def _member(name: str, schema: dict[str, Any], required: bool) -> str:
    types = [one.get("format", one.get("type")) for one in schema.get("anyOf", [schema])]
    said = " or ".join(str(one) for one in types)
    return f"`{name}`{'' if required else '?'} {said}"


def envelope() -> dict[str, Any]:
    return dict(Event.model_json_schema()["properties"])
