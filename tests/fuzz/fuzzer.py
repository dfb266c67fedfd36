"""Requests made from the OpenAPI document: first each edge of each field, then whatever chance brings together.

One seed, one sequence, as long as the answers are the same: what earlier answers named is asked about later.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from urllib.parse import quote_from_bytes

import jsonschema_rs
import orjson

from tests.fuzz.asking import Answer, Ask
from tests.fuzz.cast import NOBODY, ROLES, STAFF, Cast
from tests.fuzz.values import NO_JSON, NO_NUMBERS, NONSENSE, TEXTS, Schema, as_text, resolved, unusual

# What proxies, browsers and strangers send along; the last ones of each are odd.
HEADERS = {
    "accept": ("application/json", "text/csv", "*/*;q=0", "x" * 500, ";;;", "application/*;q=nan"),
    "accept-encoding": ("gzip, br", "identity;q=0", "\xff"),
    "accept-language": ("en", "de-CH, fr;q=0.5", "tlh", "x" * 300),
    "authorization": ("Bearer", "Bearer x", "Basic eDp5", "Digest", "\xff", "Bearer ngk_live_" + "0" * 38),
    "content-encoding": ("gzip", "identity"),
    "content-length": ("0", "-1", "1e9", "99999999999"),
    "content-type": ("application/json; charset=utf-16", "text/plain", "", "application/json; charset=", "a/b;;=;"),
    "cookie": ("session=1", "a=b; a=c; =;"),
    "expect": ("100-continue", "x"),
    "forwarded": ("for=1.2.3.4;proto=https", 'for="[::1'),
    "host": ("elsewhere.example", "", "a b"),
    "idempotency-key": ("k1", "k2", "", "a b", "\xff", "k" * 256),
    "if-match": ("*", '"1"', "W/", "x"),
    "if-none-match": ("*", '"1"'),
    "origin": ("https://elsewhere.example", "null"),
    "prefer": ("respond-async", "wait=0", "wait=99999999999", "wait=-1", "wait=", ",,,", "wait=\xb2"),
    "range": ("bytes=0-1", "x"),
    "traceparent": ("00-" + "0" * 32 + "-" + "0" * 16 + "-00", "x"),
    "x-forwarded-for": ("1.2.3.4, 5.6.7.8", "x", "::ffff:1.2.3.4%eth0"),
    "x-forwarded-proto": ("https", "x"),
    "x-http-method-override": ("DELETE",),
    "x-request-id": ("r1", "a b", "\xff" * 129),
}
# What answers are searched for, by where such a thing can be asked for again.
HARVESTED = {
    "id": ("number_id",), "phone_number": ("phone_number",), "operation_id": ("operation_id",),
    "next_cursor": ("cursor",),
}  # fmt: skip
KEPT = 20


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    where: dict[str, str]
    schemas: dict[str, Schema]
    required: frozenset[str]
    body: Schema | None
    fields: dict[str, Schema]

    @classmethod
    def all(cls, document: Schema) -> "list[Operation]":
        return [
            cls._of(document, path, method, told)
            for path, item in document["paths"].items()
            for method, told in item.items()
        ]

    @classmethod
    def _of(cls, document: Schema, path: str, method: str, told: Schema) -> "Operation":
        parameters = told.get("parameters", [])
        body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        whole = resolved(document, body) if body else None
        return cls(
            told["operationId"],
            method.upper(),
            path,
            {one["name"]: one["in"] for one in parameters},
            {one["name"]: resolved(document, one["schema"]) | _examples(one["schema"]) for one in parameters},
            frozenset(one["name"] for one in parameters if one["required"]),
            whole,
            # With what it refers to in turn.
            {
                name: resolved(document, one) | {"components": document["components"]}
                for name, one in (whole or {}).get("properties", {}).items()
            },
        )


def fits(schema: Schema, value: Any) -> bool:
    try:
        return jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid(value)
    except UnicodeEncodeError:  # Half of a surrogate pair is no text at all.
        return False


def _examples(schema: Schema) -> Schema:
    return {"examples": schema["examples"]} if "examples" in schema else {}


@dataclass
class Draft:
    """A request before it is written down. `body` is bytes where it is no JSON of ours."""

    given: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    more_query: str = ""
    why: list[str] = field(default_factory=list)


class Fuzzer:
    def __init__(self, document: Schema, cast: Cast, seed: int) -> None:
        self._cast = cast
        self._chance = random.Random(seed)
        self.operations = Operation.all(document)
        self._entitled: dict[str, str] = {}
        self._found: dict[tuple[str, str], list[Any]] = {}

    def asks(self) -> Iterator[Ask]:
        """Without end. Tell `heard` of each answer before the next one is taken."""
        yield from self._everybody()
        for packed in self._odd_heads(), self._victims(), self._edges(fit=True), self._edges(fit=False):
            found = list(packed)
            self._chance.shuffle(found)
            yield from found
        while True:
            yield self._at_random()

    def heard(self, ask: Ask, answer: Answer) -> None:
        if answer.status not in (401, 403):
            self._entitled.setdefault(ask.operation, ask.role)
        if answer.status in (200, 201, 202) and answer.header("content-type") == "application/json":
            self._harvest(ask, orjson.loads(answer.body))

    def _harvest(self, ask: Ask, told: Any) -> None:
        staff = ask.role in STAFF
        if ask.operation in ("create_key", "rotate_key"):
            self._keep(ask.role, "key_id", told["id"])
        for one in [told, *(told.get("items") or [])[:3]]:
            for name, asked in HARVESTED.items():
                if one.get(name) is not None and (not staff or asked == ("cursor",)):
                    for parameter in asked:
                        self._keep(ask.role, parameter, one[name])

    def _keep(self, role: str, name: str, value: Any) -> None:
        kept = self._found.setdefault((role, name), [])
        kept.append(value)
        del kept[:-KEPT]

    # -- One after the other -------------------------------------------------------------------------------------------

    def _everybody(self) -> Iterator[Ask]:
        """Each operation as it is meant, by each role."""
        for operation in self.operations:
            for role in ROLES:
                yield self._written(operation, role, self._meant(operation, role))

    def _edges(self, *, fit: bool) -> Iterator[Ask]:
        """Each edge of each field: those that fit together in one request, and so those that do not.

        Together, because one that is refused hides what another would do, and one that fits does not.
        """
        for operation in self.operations:
            role = self._entitled.get(operation.name, NOBODY)
            values: dict[str, list[Any]] = {}
            for name, schema in (operation.schemas | operation.fields).items():
                likely = self._likely(operation, role, name, ...)
                odd = [] if fit else self._of_another_type(operation, name, schema)
                own = [*unusual(schema), *([] if likely is ... else [likely])]
                values[name] = [value for value in own if self._fits(operation, name, value) is fit] + odd
            for row in zip_longest(*values.values(), fillvalue=...):
                given = {name: value for name, value in zip(values, row, strict=True) if value is not ...}
                yield self._with(operation, role, given, "fit" if fit else "unfit")
                # A text that fits a schema may still name nobody; then the rest of the row would not be looked at.
                if fit and (numbers := self._numbers(operation, given)) not in ({}, given):
                    yield self._with(operation, role, numbers, "fit")
            if operation.body is not None and not fit:
                for raw in NO_JSON:
                    draft = self._meant(operation, role)
                    draft.body, draft.why = raw, ["no JSON, or another"]
                    yield self._written(operation, role, draft)

    @staticmethod
    def _fits(operation: Operation, name: str, value: Any) -> bool:
        return operation.where.get(name) != "header" and fits((operation.schemas | operation.fields)[name], value)

    @staticmethod
    def _of_another_type(operation: Operation, name: str, schema: Schema) -> list[Any]:
        if name not in operation.where:
            return list(NONSENSE)
        return list(NO_NUMBERS if schema.get("type") in ("integer", "number") else TEXTS[::4])

    @staticmethod
    def _numbers(operation: Operation, given: dict[str, Any]) -> dict[str, Any]:
        schemas = operation.schemas | operation.fields
        return {name: value for name, value in given.items() if schemas[name].get("type") in ("integer", "number")}

    def _victims(self) -> Iterator[Ask]:
        """What others have, asked for by its name."""
        for operation in self.operations:
            for name in (operation.schemas | operation.fields).keys() & self._cast.victims.keys():
                for value in self._cast.victims[name]:
                    for role in (role for role in ROLES if role not in ("admin", "operator")):
                        if self._chance.random() < 0.2:
                            yield self._with(operation, role, {name: value}, "a victim's")

    def _odd_heads(self) -> Iterator[Ask]:
        for name, values in HEADERS.items():
            for value in values:
                operation = self._chance.choice(self.operations)
                role = self._entitled.get(operation.name, NOBODY)
                draft = self._meant(operation, role)
                draft.headers[name] = value
                draft.why.append(f"{name}: {value[:40]!r}")
                yield self._written(operation, role, draft)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"):
            for operation in self._chance.sample(self.operations, 3):
                ask = self._written(operation, "viewer", self._meant(operation, "viewer"))
                if method != operation.method:
                    yield Ask("", "viewer", method, ask.path, ask.query, ask.headers, ask.body, f"{method} there")

    # -- At random -----------------------------------------------------------------------------------------------------

    def _at_random(self) -> Ask:
        chance = self._chance
        operation = chance.choice(self.operations)
        role = self._entitled.get(operation.name, NOBODY) if chance.random() < 0.7 else chance.choice(ROLES)
        draft = self._meant(operation, role)
        schemas = operation.schemas | operation.fields
        for name, schema in schemas.items():
            luck = chance.random()
            if luck < 0.15:
                self._give(operation, draft, name, chance.choice([*unusual(schema)]))
            elif luck < 0.2:
                self._give(operation, draft, name, chance.choice(NONSENSE if chance.random() < 0.5 else TEXTS))
            elif luck < 0.25 and schema.get("type") in ("integer", "number"):
                self._give(operation, draft, name, chance.randint(0, 1200))
            elif luck < 0.3 and name in self._cast.victims and role not in ("admin", "operator"):
                self._give(operation, draft, name, chance.choice(self._cast.victims[name]))
            elif luck < 0.35 and name in draft.given and operation.where.get(name) != "path":
                del draft.given[name]
            elif luck < 0.4 and isinstance(draft.body, dict):
                draft.body.pop(name, None)
        if chance.random() < 0.2:
            name = chance.choice(sorted(HEADERS))
            draft.headers[name] = chance.choice(HEADERS[name])
        if chance.random() < 0.05:
            draft.more_query = chance.choice(("&x=1", "&limit=1&limit=2", "&%00=%FF", "&" * 5, "&=", "&limit[]=1"))
        if operation.body is not None and chance.random() < 0.05:
            draft.body = chance.choice(NO_JSON)
        elif isinstance(draft.body, dict) and chance.random() < 0.05:
            draft.body[chance.choice(TEXTS)] = chance.choice(NONSENSE)
        return self._written(operation, role, draft)

    # -- One request ---------------------------------------------------------------------------------------------------

    def _meant(self, operation: Operation, role: str) -> Draft:
        """The operation as its document shows it, about things that are there."""
        draft = Draft()
        for name in operation.required:
            draft.given[name] = self._likely(operation, role, name, operation.schemas[name].get("examples", ["x"])[0])
        if operation.body is not None:
            example = operation.body.get("examples", [{}])[0]
            draft.body = {name: self._likely(operation, role, name, value) for name, value in example.items()}
        return draft

    def _likely(self, operation: Operation, role: str, name: str, otherwise: Any) -> Any:
        known = self._cast.known.get(role, {})
        found = known.get(f"{operation.name}.{name}") or [*known.get(name, ()), *self._found.get((role, name), ())]
        return self._chance.choice(found) if found else otherwise

    def _with(self, operation: Operation, role: str, given: dict[str, Any], why: str) -> Ask:
        draft = self._meant(operation, role)
        for name, value in given.items():
            self._give(operation, draft, name, value)
        draft.why.append(why)
        return self._written(operation, role, draft)

    @staticmethod
    def _give(operation: Operation, draft: Draft, name: str, value: Any) -> None:
        if name in operation.where:
            draft.given[name] = value
        else:
            draft.body = (draft.body if isinstance(draft.body, dict) else {}) | {name: value}

    def _written(self, operation: Operation, role: str, draft: Draft) -> Ask:
        path, query, headers = operation.path, [], {}
        for name, value in draft.given.items():
            text = as_text(value)
            match operation.where[name]:
                case "path":
                    path = path.replace(f"{{{name}}}", text.encode("utf-8", "replace").decode())
                case "query":
                    query.append(f"{name}={quote_from_bytes(text.encode('utf-8', 'surrogatepass'), safe='')}")
                case "header":
                    headers[name.lower()] = text
        body = b""
        if operation.body is not None:
            headers["content-type"] = "application/json"
            body = draft.body if isinstance(draft.body, bytes) else json.dumps(draft.body).encode()
        if role in self._cast.keys:
            headers["x-api-key"] = self._cast.keys[role]
        headers |= draft.headers
        written = [
            (name.encode(), value.replace("\r", "").replace("\n", "").replace("\0", "").encode("utf-8", "replace"))
            for name, value in headers.items()
        ]
        return Ask(
            operation.name, role, operation.method, path, ("&".join(query) + draft.more_query).encode(), written, body,
            ", ".join(draft.why) or "as meant",
        )  # fmt: skip
