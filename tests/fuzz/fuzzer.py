"""Requests made from the OpenAPI document: each operation's every pass once, then whatever chance brings together.

A pass is one thing that may be wrong with an operation: its fields at their edges, of another type, missing, unknown,
of others, in an odd message. The operations take turns, so that a small budget is spent on all of them alike. One seed,
one sequence, as long as the answers are the same: what earlier answers named is asked about later.
"""

import json
import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, cycle, zip_longest
from typing import Any
from urllib.parse import quote_from_bytes

import orjson

from tests.fuzz.asking import Answer, Ask
from tests.fuzz.cast import NOBODY, ROLES, STAFF, Known
from tests.fuzz.operations import Operation, links, named_things, names_something, operations
from tests.fuzz.values import (
    NO_JSON,
    NO_NUMBERS,
    NONSENSE,
    TEXTS,
    Schema,
    as_text,
    edges,
    is_text,
    resolved,
)

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
    "idempotency-key": ("k1", "k2", "", "a b", "\xff", "k" * 256, "\u2028"),
    "if-match": ("*", '"1"', "W/", "x"),
    "if-none-match": ("*", '"1"'),
    "origin": ("https://elsewhere.example", "null"),
    "prefer": ("respond-async", "wait=0", "wait=99999999999", "wait=-1", "wait=", ",,,", "wait=\xb2"),
    "range": ("bytes=0-1", "x"),
    "traceparent": ("00-" + "0" * 32 + "-" + "0" * 16 + "-00", "x"),
    "x-forwarded-for": ("1.2.3.4, 5.6.7.8", "x", "::ffff:1.2.3.4%eth0"),
    "x-forwarded-proto": ("https", "x"),
    "x-http-method-override": ("DELETE",),
    "x-request-id": ("r1", "a b", "\xff" * 129, "\u2028", "r" * 129),
}
KEPT = 20
# Of texts, of another type and of others' things, so many for each field; chance has the rest.
ODD = 6
LESS = ("finance", NOBODY)
LIKELY = object()  # Stands for a value of something that is there, which is looked for when the request is made.
GONE = (404, 409, 410)
E164 = "+1"


@dataclass(frozen=True)
class Row:
    """What one request gives beside what the operation needs. `halved`: how often it was to find what was refused."""

    given: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    role: str | None = None
    missing: str | None = None
    body: Any = ...
    headers: tuple[tuple[str, str], ...] = ()
    more_query: str = ""
    fit: bool = False
    halved: int = 0


@dataclass
class Draft:
    """A request before it is written down. `body`: bytes where it is no JSON; `drawn`: what of it is there."""

    given: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    drawn: list[Any] = field(default_factory=list)


class Fuzzer:
    def __init__(self, document: Schema, known: Known, seed: int) -> None:
        self._document, self._known = document, known
        self._chance = random.Random(seed)
        # What takes things away comes last, so that they are there for the others.
        self.operations = sorted(operations(document), key=lambda one: one.method == "DELETE")
        self._by_name = {one.name: one for one in self.operations}
        self._links = links(document, self._by_name)
        self._pools_of = {one.name: self._collected(one) for one in self.operations}
        self._asked_for = frozenset(name for one in self.operations for name in one.inputs)
        self._entitled: dict[str, list[str]] = {}
        self._succeeded: set[str] = set()
        self._found: dict[tuple[str, str], list[Any]] = {}
        self._not_to_change: set[tuple[str, str]] = set()
        self._last: tuple[Operation, Row, Draft] | None = None
        self._again: deque[tuple[Operation, Row]] = deque()
        heads: list[tuple[tuple[str, str], ...]]
        heads = [((name, value),) for name, values in HEADERS.items() for value in values]
        heads += [((name, values[0]), (name, values[-1])) for name, values in HEADERS.items()]
        self._heads = cycle(self._chance.sample(heads, len(heads)))
        self._bodies = cycle(self._chance.sample(NO_JSON, len(NO_JSON)))
        self._edges = {
            (one.name, name): [*edges(document, schema)]
            for one in self.operations
            for name, schema in one.inputs.items()
        }

    def asks(self) -> Iterator[Ask]:
        """Without end. Tell `heard` of each answer before the next one is taken."""
        for operation in self.operations:
            # Who may, is the access matrix' to ask: here it is enough to find some.
            for role in ROLES:
                if role not in LESS or operation.name not in self._entitled:
                    yield self._ask(operation, Row(role=role))
        yield from self._by_other_methods()
        plans = [self._plan(operation) for operation in self.operations]
        for turn in zip_longest(*plans):
            yield from self._what_never_succeeded()
            for operation, row in zip(self.operations, turn, strict=True):
                if row is not None:
                    yield self._ask(operation, row)
                while self._again:
                    yield self._ask(*self._again.popleft())
        while True:
            yield from self._what_never_succeeded()
            for _ in self.operations:
                yield self._ask(*self._at_random())
                while self._again:
                    yield self._ask(*self._again.popleft())

    def heard(self, ask: Ask, answer: Answer) -> None:
        if self._last is None:
            return
        operation, row, draft = self._last
        if answer.status not in (401, 403):
            entitled = self._entitled.setdefault(operation.name, [])
            if ask.role not in entitled:
                entitled.append(ask.role)
        if answer.status < 300:
            self._succeeded.add(operation.name)
            if answer.header("content-type") == "application/json":
                self._harvest(operation, ask.role, answer.status, orjson.loads(answer.body))
        elif row.fit and len(row.given) > 1:
            self._without_what_was_refused(operation, row, answer)
        if answer.status in GONE and operation.changes:
            # Seen, but not theirs to change; or it was, and is no more.
            self._not_to_change.update((ask.role, value) for value in draft.drawn if isinstance(value, str))

    def _without_what_was_refused(self, operation: Operation, row: Row, answer: Answer) -> None:
        """One field that is refused hides what the others would do: those that the answer names are left out, else
        each half is tried by itself.
        """
        told = orjson.loads(answer.body) if answer.body else {}
        pointers = [str(one["pointer"]).strip("/").partition("/")[0] for one in told.get("errors", ())]
        left = {name: value for name, value in row.given.items() if name not in pointers}
        if left and len(left) < len(row.given):
            self._again.append((operation, replace(row, given=left)))
        elif left and row.halved < 1:
            names = self._chance.sample(sorted(left), len(left))
            for half in (names[: len(names) // 2], names[len(names) // 2 :]):
                given = {name: row.given[name] for name in half}
                self._again.append((operation, replace(row, given=given, halved=row.halved + 1)))

    # -- What is there -------------------------------------------------------------------------------------------------

    def _harvest(self, operation: Operation, role: str, status: int, told: Any) -> None:
        """What an answer names, by links of the document, by its place, and by its name."""
        if not isinstance(told, dict):
            return
        for link in self._links.get((operation.name, status), ()):
            for value in _at(told, link.pointer):
                self._keep(role, link.pools, value)
        lists = [value for value in told.values() if isinstance(value, list)]
        for one in [told, *chain.from_iterable(found[:3] for found in lists)]:
            if isinstance(one, dict) and isinstance(one.get("id"), str):
                self._keep(role, self._pools_of[operation.name], one["id"])
        for name, value in named_things(told, self._asked_for):
            self._keep(role, (name,), value)
        if told.get("next_cursor"):
            self._keep(role, operation.pools("cursor"), told["next_cursor"])

    def _collected(self, operation: Operation) -> list[str]:
        """The pools of the ids that an operation answers: of the items of its collection, wherever that is asked for;
        where its path ends with a verb, of what the verb is done to.
        """
        listed = {(at, name) for other in self.operations for name, at in other.listed.items()}
        at_end = [f"{at}/{name}" for at, name in sorted(listed) if at == operation.collection]
        return at_end or [f"{at}/{name}" for name, at in [*operation.listed.items()][-1:]]

    def _keep(self, role: str, pools: Sequence[str], value: Any) -> None:
        for pool in pools:
            kept = self._found.setdefault((role, pool), [])
            if isinstance(value, str) and value not in kept:
                kept.append(value)
                del kept[:-KEPT]

    def _likely(self, operation: Operation, role: str, name: str, otherwise: Any, draft: Draft) -> Any:
        """A value for this field of something that is there, as far as that is known."""
        known = self._known.of.get(role, {})
        candidates = [*known.get(f"{operation.name}.{name}", ())]
        if not candidates:
            narrow, *wide = (self._found.get((role, pool), []) for pool in operation.pools(name))
            found = narrow or next(iter(wide), [])
            if operation.changes:
                found = [one for one in found if self._is_to_change(role, name, one)]
            candidates = [*known.get(name, ()), *found]
        if not candidates:
            return otherwise
        drawn = self._chance.choice(candidates)
        draft.drawn.append(drawn)
        return drawn

    def _is_to_change(self, role: str, name: str, value: str) -> bool:
        spared = role in STAFF and (name == "token" or value in self._known.spared)
        return not spared and (role, value) not in self._not_to_change

    def _filled(self, operation: Operation, role: str, name: str, example: Any, draft: Draft) -> Any:
        """An example of the document about things that are there."""
        known = self._known.of.get(role, {})
        if name in known or f"{operation.name}.{name}" in known:
            return self._likely(operation, role, name, example, draft)
        match example:
            case dict():
                return {inner: self._filled(operation, role, inner, value, draft) for inner, value in example.items()}
            case [*values]:
                return [self._filled(operation, role, name, value, draft) for value in values]
            case str() if example.startswith(E164):
                return self._likely(operation, role, "phone_number", example, draft)
        return self._likely(operation, role, name, example, draft)

    def _roles(self, operation: Operation) -> list[str]:
        return self._entitled.get(operation.name) or [NOBODY]

    # -- One pass after the other --------------------------------------------------------------------------------------

    def _plan(self, operation: Operation) -> list[Row]:
        fit = [*self._fit(operation)]
        others = self._others(operation), self._shapes(operation), self._unfit(operation)
        less = (row for turn in zip_longest(*others) for row in turn if row is not None)
        return [row for turn in zip_longest(fit[::2], less, fit[1::2]) for row in turn if row is not None]

    def _fit(self, operation: Operation) -> Iterator[Row]:
        """Fields at such edges of theirs as fit. Of a body together, for it takes them all at once; those of a query
        each by itself, for of all conditions together nothing is left to tell of, but that a number goes with each:
        how much is asked for narrows nothing.
        """
        columns = {}
        for name, schema in operation.inputs.items():
            if operation.where.get(name) not in ("path", "header"):
                around = [value for value in self._edges[operation.name, name] if operation.fits(name, value)]
                texts = TEXTS if is_text(self._document, schema) else ()
                odd = [value for value in texts if operation.fits(name, value)]
                # Of a text that only names something, most lead to nothing.
                few = 2 if names_something(name) else ODD
                columns[name] = [*around[:1], LIKELY, *around[1:], *self._some(odd, few)]
        body = {name: values for name, values in columns.items() if name not in operation.where}
        query = {name: values for name, values in columns.items() if name in operation.where}
        numbers = {name: query.pop(name) for name in [*query] if self._is_number(operation, name)}
        alone = [[Row({name: value}) for value in values] for name, values in query.items()]
        conditions = (row for turn in zip_longest(*alone) for row in turn if row is not None)
        asked = (
            Row(condition.given | number.given, "fit", fit=True)
            for condition, number in zip_longest(conditions, _rows(numbers, "fit"), fillvalue=Row())
        )
        rows = [(replace(row, fit=True) for row in _rows(body, "fit")), asked]
        yield from (row for turn in zip_longest(*rows) for row in turn if row is not None)

    def _is_number(self, operation: Operation, name: str) -> bool:
        return resolved(self._document, operation.inputs[name]).get("type") in ("integer", "number")

    def _unfit(self, operation: Operation) -> Iterator[Row]:
        """So those that do not fit, or are of another type: each is told, and none hides another."""
        columns = {}
        for name, schema in operation.inputs.items():
            around = [value for value in self._edges[operation.name, name] if not operation.fits(name, value)]
            texts = TEXTS if is_text(self._document, schema) else ()
            odd = [value for value in texts if not operation.fits(name, value)]
            others = NONSENSE if name not in operation.where else TEXTS
            if self._is_number(operation, name) and name in operation.where:
                others = NO_NUMBERS
            columns[name] = [*around[:3], *self._some([*around[3:], *odd, *others], 4)]
        yield from _rows(columns, "unfit")

    def _shapes(self, operation: Operation) -> Iterator[Row]:
        """Something missing, unknown, twice, or in an odd message."""
        yield Row(why="again", more_query="&x=1")
        yield Row(why="an odd header", headers=next(self._heads))
        if operation.body is not None:
            yield Row(given={"x": 1}, why="unknown member")
            yield Row(why="no JSON, or another", body=next(self._bodies))
            yield Row(why="nothing", body={})
            yield from (Row(why=f"without {name}", missing=name) for name in operation.body.get("required", ()))
        for name in sorted(operation.listed):
            nobodys = [value for value in self._edges[operation.name, name] if operation.fits(name, value)]
            yield from (Row({name: value}, f"{name} of nothing") for value in nobodys[:2])
        query = [name for name, where in operation.where.items() if where == "query"]
        if query:
            name = self._chance.choice(query)
            yield Row(given={name: LIKELY}, why=f"{name} twice", more_query=f"&{name}=1&{name}=2")
        yield Row(why="an odd header", headers=next(self._heads))

    def _others(self, operation: Operation) -> Iterator[Row]:
        """What others have, asked for by its name."""
        for name in sorted(operation.inputs):
            for value in self._some(self._known.victims_of(operation.pools(name))):
                yield Row(given={name: value}, why="a victim's", role="tenant")

    def _some(self, values: Sequence[Any], most: int = ODD) -> list[Any]:
        return self._chance.sample(list(values), min(most, len(values)))

    def _by_other_methods(self) -> Iterator[Ask]:
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"):
            for operation in self._chance.sample(self.operations, 3):
                if method != operation.method:
                    ask = self._ask(operation, Row(role="viewer", why=f"{method} there"))
                    self._last = None
                    yield replace(ask, operation="", method=method)

    def _what_never_succeeded(self) -> Iterator[Ask]:
        """As it is meant, now that more is known of what is there."""
        for operation in self.operations:
            if operation.name not in self._succeeded:
                yield self._ask(operation, Row(role=self._chance.choice(self._roles(operation))))

    # -- At random -----------------------------------------------------------------------------------------------------

    def _at_random(self) -> tuple[Operation, Row]:
        chance = self._chance
        operation = chance.choice(self.operations)
        role = chance.choice(self._roles(operation)) if chance.random() < 0.8 else chance.choice(ROLES)
        given: dict[str, Any] = {}
        missing = None
        for name in operation.inputs:
            luck = chance.random()
            if luck < 0.15:
                given[name] = chance.choice(self._edges[operation.name, name])
            elif luck < 0.2:
                given[name] = chance.choice(NONSENSE if chance.random() < 0.5 else TEXTS)
            elif luck < 0.25 and self._is_number(operation, name):
                given[name] = chance.randint(0, 1200)
            elif luck < 0.3 and (found := self._known.victims_of(operation.pools(name))) and role not in STAFF:
                given[name] = chance.choice(found)
            elif luck < 0.4:
                given[name] = LIKELY
            elif luck < 0.45 and operation.where.get(name) != "path":
                missing = name
        row = Row(given, "at random", role, missing, fit=True)
        if chance.random() < 0.2:
            row = replace(row, headers=next(self._heads))
        if chance.random() < 0.05:
            more = ("&x=1", "&limit=1&limit=2", "&%00=%FF", "&" * 5, "&=", "&limit[]=1")
            row = replace(row, more_query=chance.choice(more))
        if operation.body is not None and chance.random() < 0.05:
            row = replace(row, body=next(self._bodies))
        elif operation.body is not None and chance.random() < 0.05:
            row.given[chance.choice(TEXTS)] = chance.choice(NONSENSE)
        return operation, row

    # -- One request ---------------------------------------------------------------------------------------------------

    def _ask(self, operation: Operation, row: Row) -> Ask:
        role = row.role or self._chance.choice(self._roles(operation))
        draft = self._meant(operation, role)
        for name, value in row.given.items():
            if value is LIKELY:
                value = self._likely(operation, role, name, ..., draft)
            if value is ...:
                continue
            if name in operation.where:
                draft.given[name] = value
            else:
                draft.body = (draft.body if isinstance(draft.body, dict) else {}) | {name: value}
        if row.body is not ...:
            draft.body = row.body
        if row.missing is not None and operation.where.get(row.missing) != "path":
            draft.given.pop(row.missing, None)
            if isinstance(draft.body, dict):
                draft.body.pop(row.missing, None)
        ask = self._written(operation, role, draft, row)
        self._last = operation, row, draft
        return ask

    def _meant(self, operation: Operation, role: str) -> Draft:
        """The operation as its document shows it, about things that are there."""
        draft = Draft()
        for name in sorted(operation.required):
            [example, *_] = operation.schemas[name].get("examples", ["x"])
            draft.given[name] = self._likely(operation, role, name, example, draft)
        if operation.body is not None:
            example = self._chance.choice(operation.examples)
            draft.body = {name: self._filled(operation, role, name, value, draft) for name, value in example.items()}
        return draft

    def _written(self, operation: Operation, role: str, draft: Draft, row: Row) -> Ask:
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
        if role in self._known.keys:
            headers["x-api-key"] = self._known.keys[role]
        instead = {name for name, _ in row.headers}
        pairs = [pair for pair in headers.items() if pair[0] not in instead] + list(row.headers)
        written = [
            (name.encode(), value.replace("\r", "").replace("\n", "").replace("\0", "").encode("utf-8", "replace"))
            for name, value in pairs
        ]
        return Ask(
            operation.name, role, operation.method, path, ("&".join(query) + row.more_query).encode(), written, body,
            row.why or "as meant",
        )  # fmt: skip


def _rows(columns: dict[str, list[Any]], why: str) -> Iterator[Row]:
    """One value of each field a row, until each has had all of its own."""
    for values in zip_longest(*columns.values(), fillvalue=...):
        yield Row({name: value for name, value in zip(columns, values, strict=True) if value is not ...}, why)


def _at(told: Any, pointer: Sequence[str]) -> list[Any]:
    """What a link points to; for the first of a list, of its first three."""
    found = [told]
    for step in pointer:
        inner: list[Any] = []
        for one in found:
            if isinstance(one, list):
                inner += one[:3] if step.isdigit() else []
            elif isinstance(one, dict) and step in one:
                inner.append(one[step])
        found = inner
    return [one for one in found if isinstance(one, str)]
