"""The reference of the HTTP API, made of its OpenAPI document: a page for each tag, with all that its operations take
and answer.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]
CODES = re.compile(r"`([a-z_]+)`: (.*?)(?=; `[a-z_]+`: |$)", re.DOTALL)
REFUSAL = ("Status", "`code`", "Meaning")
NEWLINE = "\n"
DEPTH = 4  # Of members within members; deeper ones are to be seen in the example.


def pages(document: Json) -> dict[str, str]:
    """Markdown by file name; the first is the list of the others."""
    operations = [(path, method, one) for path, item in document["paths"].items() for method, one in item.items()]
    told = {tag["name"]: tag["description"] for tag in document["tags"]}
    common = set.intersection(*(set(_codes(one)) for _, _, one in operations if "security" in one))
    by_tag = {tag: [each for each in operations if each[2]["tags"] == [tag]] for tag in told}
    return {
        "reference/index.md": _index(document, told, by_tag, common),
        **{f"reference/{tag}.md": _page(document, tag, told[tag], ones, common) for tag, ones in by_tag.items()},
    }


def slug(operation: Json) -> str:
    """Where an operation stands on its page."""
    return str(operation["operationId"]).replace("_", "-")


def _index(document: Json, told: Mapping[str, str], by_tag: Mapping[str, list[Any]], common: set[str]) -> str:
    listed = [
        (f"`{method.upper()} {path}`", f"[`{one['operationId']}`]({tag}.md#{slug(one)})", _first(one))
        for tag, ones in by_tag.items()
        for path, method, one in ones
    ]
    anywhere = [
        (status, _code(code), meaning)
        for code, (status, meaning) in _codes(by_tag["numbers"][0][2]).items()
        if code in common
    ]
    return (
        f"# The HTTP API\n\n{document['info']['description'].strip()}\n\n"
        f"A gateway serves the same as `/openapi.json`, OpenAPI {document['openapi']}, and at `/docs` to be tried out. "
        "Every operation but those of health wants a key, as `X-API-Key` or as `Authorization: Bearer`.\n\n"
        "## What any operation may answer\n\n"
        f"{_table(REFUSAL, sorted(anywhere))}\n"
        "Every refusal is a problem document: [what is in it](../errors.md). Where a limit was looked at, "
        "the answer has the headers `RateLimit` and `RateLimit-Policy`: [limits](../quotas.md).\n\n"
        f"## All operations\n\n{_table(('Request', 'Operation', ''), listed)}\n"
        f"```{{toctree}}\n:hidden:\n\n{NEWLINE.join(told)}\n```\n"
    )


def _page(document: Json, tag: str, told: str, operations: list[Any], common: set[str]) -> str:
    parts = [f"# {tag.capitalize()}\n\n{told}\n"]
    for path, method, one in operations:
        parts.append(f"({slug(one)})=\n## {one['summary']}\n")
        parts.append(f"```text\n{method.upper()} {path}\n```\n\n{one['description']}\n")
        parts += _parameters(document, one)
        parts += _body(document, one)
        parts += _answers(document, one)
        parts += _refusals(one, common)
    return NEWLINE.join(parts)


def _parameters(document: Json, operation: Json) -> Iterator[str]:
    rows = [
        (f"`{one['name']}`", one["in"], kind.removesuffix(" or null"), _yes(one["required"]), one.get("description"))
        for one in operation.get("parameters", [])
        for kind in [_type(document, one["schema"])]
    ]
    if rows:
        yield f"**Parameters**\n\n{_table(('Name', 'In', 'Type', 'Required', ''), rows)}"


def _body(document: Json, operation: Json) -> Iterator[str]:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"**Body**, `{kind}`\n"
        yield from _shape(document, content["schema"], kind, must="Required")


def _answers(document: Json, operation: Json) -> Iterator[str]:
    for status, answer in operation["responses"].items():
        if status < "3":
            kinds = ", ".join(f"`{kind}`" for kind in answer.get("content", {}))
            headers = ", ".join(f"`{name}`" for name in answer.get("headers", {}) if not name.startswith("RateLimit"))
            said = _cell(answer["description"]).rstrip(".")
            beside = f"{f', as {kinds}' if kinds else ''}{f', with {headers}' if headers else ''}"
            yield f"**Answer {status}**: {said}{beside}\n"
            if content := answer.get("content", {}).get("application/json"):
                yield from _shape(document, content["schema"], "application/json", must="Always")


def _refusals(operation: Json, common: set[str]) -> Iterator[str]:
    own = [
        (status, _code(code), meaning) for code, (status, meaning) in _codes(operation).items() if code not in common
    ]
    if own:
        beside = "those of [any operation](index.md#what-any-operation-may-answer)"
        yield f"**Refusals**, beside {beside}\n\n{_table(REFUSAL, own)}"


def _shape(document: Json, schema: Json, kind: str, *, must: str) -> Iterator[str]:
    rows = [
        (f"`{name}`", _type(document, one), _yes(required), one.get("description"))
        for name, one, required in _members(document, schema)
    ]
    if rows:
        yield _table(("Member", "Type", must, ""), rows)
    for example in _resolved(document, schema).get("examples", [])[:1]:
        text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
        yield f"```{'json' if kind == 'application/json' else 'text'}\n{text.rstrip()}\n```\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(_cell(cell or '') for cell in line)} |\n" for line in lines)


def _members(document: Json, schema: Json, before: str = "", depth: int = 0) -> Iterator[tuple[str, Json, bool]]:
    """Every member, and those within it, by their path."""
    schema = _resolved(document, schema)
    for name, one in schema.get("properties", {}).items():
        yield f"{before}{name}", one, name in schema.get("required", ())
        if depth + 1 < DEPTH:
            for inner, brackets in _within(document, one):
                yield from _members(document, inner, f"{before}{name}{brackets}.", depth + 1)


def _within(document: Json, schema: Json) -> Iterator[tuple[Json, str]]:
    for one in schema.get("anyOf", [schema]):
        one = _resolved(document, one)
        if one.get("type") == "array":
            for inner, brackets in _within(document, one.get("items", {})):
                yield inner, f"[]{brackets}"
        elif "properties" in one:
            yield one, ""


def _resolved(document: Json, schema: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Json = document["components"]["schemas"][name] if name else schema
    return found


def _type(document: Json, schema: Json) -> str:
    return " or ".join(dict.fromkeys(_one_type(document, one) for one in schema.get("anyOf", [schema])))


def _one_type(document: Json, schema: Json) -> str:
    schema = _resolved(document, schema)
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"array of {_type(document, schema.get('items', {}))}"
    said = schema.get("format", kind)
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f"{said}, {least} to {most}"
    if schema.get("maxLength"):
        return f"{said}, at most {schema['maxLength']} characters"
    return str(said)


def _codes(operation: Json) -> dict[str, tuple[str, str]]:
    """By code its status and what it means."""
    return {
        code: (status, told)
        for status, answer in operation["responses"].items()
        if status >= "4"
        for code, told in CODES.findall(answer["description"])
    }


def _code(code: str) -> str:
    return f"[`{code}`](../errors.md#{code})"


def _first(operation: Json) -> str:
    return str(operation["description"].split("\n\n")[0])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _yes(required: bool) -> str:
    return "yes" if required else ""
