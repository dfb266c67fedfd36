"""What is made and not written: the client's models, of the OpenAPI document, and what waits, of what is awaited."""

import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from service.app import create_app
from service.http.edge import STANDARD

CLIENT = Path(__file__).parents[2] / "service" / "client"
MODELS = CLIENT / "models.py"
# What is awaited, and by it what waits.
PAIRS = {CLIENT / f"aio{what}.py": CLIENT / f"sync{what}.py" for what in ("", "_calls", "_groups")}
MADE = "python -m tests.client"
Json = Mapping[str, Any]

# Where a name without its "Out" would be another's.
NAMES = {"CampaignList": "CampaignListing"}
# Not of the body: told by a header.
BESIDE = {one: {"etag": ("str | None", "None")} for one in ("NumberOut", "SavedFilterOut")}
# Shown once, to whoever asked for them, and in no repr.
SECRETS = {("KeyOut", "key"), ("WebhookMade", "secret"), ("PreviewOut", "token"), ("MeOut", "csrf_token")}
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
FORMATS = {"uuid": "UUID", "date-time": "datetime", "date": "date"}


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, for which nothing need run."""
    app = create_app(lambda: nullcontext(None), STANDARD)
    found: dict[str, Any] = app.app.openapi()  # type: ignore[attr-defined]
    return found


def models(openapi: Json) -> str:
    """The text of `service/client/models.py`."""
    schemas: Json = openapi["components"]["schemas"]
    names = [name for name in answered(openapi) if not is_page(schemas[name])]
    taken = [named(name) for name in names]
    assert len(set(taken)) == len(taken), f"two models of one name: {sorted(taken)}"
    bodies = "\n\n".join(model(name, schemas[name]) for name in names)
    return formatted(
        f'"""What the gateway answers, member by member. Made by `{MADE}` from its OpenAPI document."""\n\n'
        "from collections.abc import Mapping\nfrom dataclasses import dataclass, field\n"
        "from datetime import date, datetime\n"
        "from typing import Any, Generic, TypeVar\nfrom uuid import UUID\n\n"
        "from service.client.answers import Answer\n\n"
        f'T = TypeVar("T")\n\n\n{bodies}\n\n{PAGE}'
    )


PAGE = '''
@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Answer, Generic[T]):
    """Of a listing: `next_cursor` asks for what comes after, and is None on the last page, save for events."""

    items: tuple[T, ...]
    next_cursor: str | None
    total: Total
'''


def answered(openapi: Json) -> list[str]:
    """Every schema that is in an answer of success, each after those that it is made of."""
    return with_parts(
        openapi,
        (
            name
            for path in openapi["paths"].values()
            for operation in path.values()
            for status, answer in operation["responses"].items()
            if status.startswith("2")
            for content in answer.get("content", {}).values()
            for name in references(content.get("schema", {}))
        ),
    )


def with_parts(openapi: Json, names: Iterable[str]) -> list[str]:
    """These schemas, each after those that it is made of."""
    schemas: Json = openapi["components"]["schemas"]
    order: list[str] = []

    def put(name: str) -> None:
        if name not in order:
            for part in references(schemas[name]):
                put(part)
            order.append(name)

    for name in names:
        put(name)
    return order


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for name, one in schema.items():
            if name == "$ref":
                yield one.rpartition("/")[2]
            elif name not in ("examples", "example"):
                yield from references(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from references(one)


def is_page(schema: Json) -> bool:
    return set(schema.get("properties", ())) == {"items", "next_cursor", "total"}


def named(schema: str) -> str:
    return NAMES.get(schema) or schema.removesuffix("Out")


def model(name: str, schema: Json) -> str:
    required = set(schema.get("required", ()))
    members = []
    for member, one in schema["properties"].items():
        assert member.isidentifier() and not keyword.iskeyword(member) and member != "extra", (name, member)
        kind = type_of(one)
        if member not in required:
            members.append(f"    {member}: {kind if kind.endswith('| None') else f'{kind} | None'} = None")
        elif (name, member) in SECRETS:
            members.append(f"    {member}: {kind} = field(repr=False)")
        else:
            members.append(f"    {member}: {kind}")
    members += [f"    {member}: {kind} = {value}" for member, (kind, value) in BESIDE.get(name, {}).items()]
    return (
        f"\n@dataclass(frozen=True, kw_only=True, slots=True)\nclass {named(name)}(Answer):\n"
        f"{docstring(schema)}{chr(10).join(members)}\n"
    )


def docstring(schema: Json) -> str:
    """The schema's, and what its members say of themselves."""
    told = [schema["description"]] if "description" in schema else []
    told += [f"`{name}`: {one['description']}" for name, one in schema["properties"].items() if "description" in one]
    if not told:
        return ""
    paragraphs = [" ".join(text.split()) for text in told]
    # A first line of a docstring is a sentence; the rest follows as it comes.
    text = " ".join(paragraph if paragraph.endswith((".", ":")) else f"{paragraph}." for paragraph in paragraphs)
    text = text[0].upper() + text[1:]
    lines = textwrap.wrap(text, 112, initial_indent='    r"""' if "\\" in text else '    """', subsequent_indent="    ")
    if len(lines) == 1:
        return f'{lines[0]}"""\n\n'
    return "\n".join(lines) + '\n    """\n\n'


def type_of(schema: Json) -> str:
    """Values of an enumeration are text: a new one must not break who reads the old ones."""
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        kinds = dict.fromkeys(type_of(one) for one in schema["anyOf"] if one.get("type") != "null")
        null = ["None"] if any(one.get("type") == "null" for one in schema["anyOf"]) else []
        return " | ".join([*kinds, *null])
    kind = schema.get("type")
    if kind == "array":
        return f"tuple[{type_of(schema['items'])}, ...]"
    if kind == "object":
        inner = schema.get("additionalProperties", True)
        return f"Mapping[str, {'Any' if inner is True else type_of(inner)}]"
    if kind is None:
        return "Any"
    return FORMATS.get(schema.get("format", ""), SCALARS[kind])


# -- The client that waits, of the one that is awaited -----------------------------------------------------------------

WORDS = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAsync(Client|Calls|Admin|Billing|Generated)\b", r"\1"),
    (r"\bservice\.client\.aio_", "service.client.sync_"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsyncBaseTransport\b", "BaseTransport"),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\baclose\b", "close"),
    (r"\baread\b", "read"),
    (r"\baiter_(bytes|lines)\b", r"iter_\1"),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"^import asyncio\n", ""),
]


def synchronous(source: Path, text: str) -> str:
    """The text of the file that stands beside `source`, whose text is given."""
    for word, instead in WORDS:
        text = re.sub(word, instead, text, flags=re.MULTILINE)
    head = f'"""For the client that waits. Made by `{MADE}` from `{source.name}`, which says how it works."""\n'
    return formatted(re.sub(r'\A""".*?"""\n', head, text, flags=re.DOTALL))


def formatted(text: str) -> str:
    """As `./dev lint` wants it, and without imports that nothing needs."""
    for words in (["check", "--fix-only", "--quiet", "--select", "I,F401"], ["format"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--stdin-filename", str(CLIENT / "made.py"), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = ended.stdout
    return text
