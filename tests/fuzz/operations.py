"""The operations of an OpenAPI document, as a fuzzer sees them: what each takes, and where its ids come from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from tests.fuzz.values import Schema, resolved

TRAILING_ID = re.compile(r"/([^/{}]+)/\{(\w+)\}")
# Members of answers that can be asked about again, where something of the same name is asked for.
NAMES_THINGS = re.compile(r"(\w*_)?id|phone_number|token")


@dataclass(frozen=True)
class Operation:
    """`where`: the place of each parameter; `schemas`: of the parameters, `fields`: of the members of the body;
    `examples`: bodies; `listed`: of a path's parameter, the collection that it is of.
    """

    name: str
    method: str
    path: str
    where: dict[str, str]
    schemas: dict[str, Schema]
    required: frozenset[str]
    body: Schema | None
    fields: dict[str, Schema]
    examples: tuple[dict[str, Any], ...]
    listed: dict[str, str]
    validators: dict[str, jsonschema_rs.Validator]

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    @property
    def inputs(self) -> dict[str, Schema]:
        return self.schemas | self.fields

    @property
    def collection(self) -> str:
        """Whose item an answer's own id is, and those of its items: the last one of the path."""
        return re.sub(r"/\{\w+\}$", "", self.path).rpartition("/")[2]

    def pools(self, name: str) -> tuple[str, ...]:
        """Under which names values for this parameter or member were kept, the narrower first."""
        if name == "cursor":
            return (f"{self.name}/cursor",)
        return (f"{self.listed[name]}/{name}", name) if name in self.listed else (name,)

    def fits(self, name: str, value: Any) -> bool:
        """What comes in a header is never said to fit: it is what it is."""
        if self.where.get(name) == "header":
            return False
        try:
            return self.validators[name].is_valid(value)
        except UnicodeEncodeError:  # Half of a surrogate pair is no text at all.
            return False


def names_something(name: str) -> bool:
    return name == "cursor" or NAMES_THINGS.fullmatch(name) is not None


def operations(document: Schema) -> list[Operation]:
    return [
        _operation(document, path, method, told)
        for path, item in document["paths"].items()
        for method, told in item.items()
    ]


def _operation(document: Schema, path: str, method: str, told: Schema) -> Operation:
    parameters = told.get("parameters", [])
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    whole = resolved(document, body) if body else None
    # With what they refer to in turn.
    among = {"components": document["components"]}
    schemas = {one["name"]: one["schema"] | among for one in parameters}
    fields = {name: schema | among for name, schema in (whole or {}).get("properties", {}).items()}
    return Operation(
        told["operationId"],
        method.upper(),
        path,
        {one["name"]: one["in"] for one in parameters},
        schemas,
        frozenset(one["name"] for one in parameters if one["required"]),
        whole,
        fields,
        tuple((whole or {}).get("examples", [{}])),
        {name: collection for collection, name in TRAILING_ID.findall(path)},
        {
            name: jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
            for name, schema in (schemas | fields).items()
        },
    )


@dataclass(frozen=True)
class Link:
    """From an answer to what it names: `pointer` into the body; `pools`: where the value is asked for."""

    pointer: tuple[str, ...]
    pools: tuple[str, ...]


def links(document: Schema, known: dict[str, Operation]) -> dict[tuple[str, int], list[Link]]:
    """The links of the document, by operation and status."""
    return {
        (told["operationId"], int(status)): [
            Link(tuple(where.partition("#/")[2].split("/")), known[link["operationId"]].pools(name))
            for link in answer.get("links", {}).values()
            for name, where in link["parameters"].items()
        ]
        for item in document["paths"].values()
        for told in item.values()
        for status, answer in told["responses"].items()
    }


def named_things(told: Any, asked_for: frozenset[str], depth: int = 4) -> Iterator[tuple[str, Any]]:
    """Every member of an answer whose name is that of something that can be asked for."""
    if depth and isinstance(told, dict):
        for name, value in told.items():
            if name in asked_for and NAMES_THINGS.fullmatch(name) and isinstance(value, str) and value:
                yield name, value
            yield from named_things(value, asked_for, depth - 1)
    elif depth and isinstance(told, list):
        for one in told[:3]:
            yield from named_things(one, asked_for, depth - 1)
