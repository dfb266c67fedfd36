"""Whether a client of a released OpenAPI document still works with a newer one.

What a caller sends must still be taken: every value that was taken before fits now. What a caller reads must still be
there: so every answer of now fits what was told before. Both are one question, whether the values of one schema all fit
another, asked in either direction. Answers may gain members, statuses of refusal and values of enumerations, for the
docs say that clients must bear these.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RELEASED = Path(__file__).parent / "released.json.gz"
CODE = re.compile(r"(?:^|; )`([a-z_]+)`: ")
# Of a schema, what the values that it takes depend on; an upper bound forbids more the lower it is.
UPPER, LOWER = ("maximum", "maxLength", "maxItems"), ("minimum", "minLength", "minItems")
LEFT_OUT = ("description", "title", "examples", "summary", "links", "headers", "tags")
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """A schema's document, to look its references up in."""

    schemas: Json

    def resolved(self, schema: Json) -> Json:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.resolved(self.schemas[name]) if name else schema

    def alternatives(self, schema: Json) -> list[Json]:
        """Those of which a value fits one; `type: [a, b]` is two."""
        schema = self.resolved(schema)
        found = [one for each in schema.get("anyOf", schema.get("oneOf", [])) for one in self.alternatives(each)]
        if found:
            return found
        kinds = schema.get("type")
        return [{**schema, "type": kind} for kind in kinds] if isinstance(kinds, list) else [schema]


def breaks(before: Json, now: Json) -> list[str]:
    """What a client of `before` may trip over with `now`, a line each; none where it may not."""
    return sorted(set(_breaks(before, now)))


def _breaks(before: Json, now: Json) -> Iterator[str]:
    old, new = Side(before["components"]["schemas"]), Side(now["components"]["schemas"])
    for path, item in before["paths"].items():
        for method, one in item.items():
            at = f"{method.upper()} {path}"
            other = now["paths"].get(path, {}).get(method)
            if other is None:
                yield f"{at}: is gone"
                continue
            if one["operationId"] != other["operationId"]:
                yield f"{at}: is called {other['operationId']}, and was {one['operationId']}"
            if "security" not in one and "security" in other:
                yield f"{at}: wants a key now"
            yield from _parameters(at, one, other, old, new)
            yield from _body(at, one.get("requestBody"), other.get("requestBody"), old, new)
            yield from _answers(at, one["responses"], other["responses"], old, new)
    for kind, item in before.get("webhooks", {}).items():
        at = f"event {kind}"
        if kind not in now["webhooks"]:
            yield f"{at}: is gone"
            continue
        was, there_is = (
            one["post"]["requestBody"]["content"]["application/json"]["schema"] for one in (item, now["webhooks"][kind])
        )
        yield from Fit(new, old, taken=False).of(there_is, was, at)


def _parameters(at: str, one: Json, other: Json, old: Side, new: Side) -> Iterator[str]:
    was = {(each["in"], each["name"].lower()): each for each in one.get("parameters", [])}
    there_is = {(each["in"], each["name"].lower()): each for each in other.get("parameters", [])}
    for (where, name), parameter in was.items():
        found = there_is.get((where, name))
        if found is None:
            yield f"{at}: the parameter {name} in {where} is gone"
            continue
        if found.get("required") and not parameter.get("required"):
            yield f"{at}: the parameter {name} must be given now"
        yield from Fit(old, new, taken=True).of(parameter["schema"], found["schema"], f"{at}: the parameter {name}")
    for (where, name), parameter in there_is.items():
        if parameter.get("required") and (where, name) not in was:
            yield f"{at}: the parameter {name} must be given now"


def _body(at: str, one: Json | None, other: Json | None, old: Side, new: Side) -> Iterator[str]:
    if other is None:
        if one is not None:
            yield f"{at}: takes no body any more"
        return
    if other.get("required") and not (one or {}).get("required"):
        yield f"{at}: wants a body now"
    for kind, content in (one or {"content": {}})["content"].items():
        if kind not in other["content"]:
            yield f"{at}: takes no {kind} any more"
        elif "schema" in content:
            yield from Fit(old, new, taken=True).of(content["schema"], other["content"][kind]["schema"], f"{at}: body")


def _answers(at: str, one: Json, other: Json, old: Side, new: Side) -> Iterator[str]:
    for status, answer in one.items():
        if status >= "4":
            for code in answer["codes"] if "codes" in answer else _codes(answer):
                elsewhere = [each for each, told in other.items() if each != status and code in _codes(told)]
                if elsewhere and code not in _codes(other.get(status, {})):
                    yield f"{at}: `{code}` has the status {elsewhere[0]}, and had {status}"
        elif status not in other:
            yield f"{at}: never answers {status} any more"
        else:
            for kind, content in answer.get("content", {}).items():
                if kind not in other[status].get("content", {}):
                    yield f"{at}: never answers {status} as {kind} any more"
                elif "schema" in content:
                    there_is = other[status]["content"][kind]["schema"]
                    yield from Fit(new, old, taken=False).of(there_is, content["schema"], f"{at}: {status}")


@dataclass(frozen=True)
class Fit:
    """Whether the values of one side's schemas all fit the other's; `taken` for what is sent to us."""

    given: Side
    accepted: Side
    taken: bool

    def of(self, given: Json, accepted: Json, at: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Iterator[str]:
        """Each way in which a value of `given` may not fit `accepted`."""
        pair = (str(given.get("$ref")), str(accepted.get("$ref")))
        if "$ref" in given and pair in seen:
            return
        seen |= {pair}
        others = self.accepted.alternatives(accepted)
        for one in self.given.alternatives(given):
            misfits = [list(self._one(one, other, at, seen)) for other in others]
            if not any(misfit == [] for misfit in misfits):
                # Of several that do not fit, what is nearest to it says best what is wrong.
                yield from min(misfits, key=len)

    def _one(self, given: Json, accepted: Json, at: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
        kind, other = given.get("type"), accepted.get("type")
        if other is not None and kind != other and (kind, other) != ("integer", "number"):
            yield f"{at}: is {kind} {self._where}, and only {other} {self._otherwise}"
            return
        yield from self._values(given, accepted, at)
        if other == "array" and "items" in accepted:
            yield from self.of(given.get("items", {}), accepted["items"], f"{at}[]", seen)
        if other == "object":
            yield from self._members(given, accepted, at, seen)

    def _values(self, given: Json, accepted: Json, at: str) -> Iterator[str]:
        wanted = accepted.get("format")
        if wanted is not None and given.get("format") != wanted:
            yield f"{at}: is a {given.get('format', 'text')} {self._where}, and only a {wanted} {self._otherwise}"
        if not self.taken:
            return  # A client must bear values that it does not know.
        allowed = accepted.get("enum", [accepted["const"]] if "const" in accepted else None)
        if allowed is not None:
            values = given.get("enum", [given["const"]] if "const" in given else None)
            if values is None or (values := [value for value in values if value not in allowed]):
                yield f"{at}: {', '.join(map(str, values or ['any value']))} is taken no more"
        for name in UPPER:
            if name in accepted and given.get(name, float("inf")) > accepted[name]:
                yield f"{at}: {name} is {accepted[name]}, and was {given.get(name, 'none')}"
        for name in LOWER:
            if name in accepted and given.get(name, float("-inf")) < accepted[name]:
                yield f"{at}: {name} is {accepted[name]}, and was {given.get(name, 'none')}"
        if accepted.get("pattern") not in (None, given.get("pattern")):
            yield f"{at}: must be like {accepted['pattern']}"

    def _members(self, given: Json, accepted: Json, at: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
        has, wants = given.get("properties", {}), accepted.get("properties", {})
        for name in accepted.get("required", ()):
            if name not in given.get("required", ()):
                yield f"{at}.{name}: {'must be given now' if self.taken else 'may be absent now'}"
        for name, one in has.items():
            if name in wants:
                yield from self.of(one, wants[name], f"{at}.{name}", seen)
            elif self.taken:
                yield f"{at}.{name}: is taken no more"
        if not self.taken:
            yield from (f"{at}.{name}: is gone" for name in wants if name not in has)
        inner, outer = (each.get("additionalProperties", True) for each in (given, accepted))
        if isinstance(inner, Mapping) and isinstance(outer, Mapping):
            yield from self.of(inner, outer, f"{at}.*", seen)

    @property
    def _where(self) -> str:
        return "before" if self.taken else "now"

    @property
    def _otherwise(self) -> str:
        return "now" if self.taken else "before"


def _codes(answer: Json) -> list[str]:
    found: list[str] = answer.get("codes") or CODE.findall(answer.get("description", ""))
    return found


def released() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(RELEASED.read_bytes()))
    return found


def kept(document: Json) -> bytes:
    """What `released.json.gz` holds of a document: all that a client depends on, and none of the words."""
    bare = _bare(document)
    for path, item in document["paths"].items():
        for method, one in item.items():
            for status, answer in one["responses"].items():
                if status >= "4":
                    bare["paths"][path][method]["responses"][status] = {"codes": CODE.findall(answer["description"])}
    return gzip.compress(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode(), mtime=0)


def _bare(value: Any, *, names: bool = False) -> Any:
    """`names`: whether the keys are members of an object, and no words of the schema."""
    if isinstance(value, list):
        return [_bare(one) for one in value]
    if isinstance(value, Mapping):
        return {
            name: _bare(one, names=name in ("properties", "schemas", "paths", "webhooks") and not names)
            for name, one in value.items()
            if names or name not in LEFT_OUT
        }
    return value
