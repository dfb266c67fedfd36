"""What is made of the OpenAPI document beside the models: a method for each operation that has none made by hand, and
what their bodies hold.
"""

import keyword
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.client.generated import CLIENT, MADE, Json, docstring, formatted, is_page, named, type_of, with_parts

BODIES, ASYNC_GROUPS, SYNC_GROUPS = (CLIENT / f"{name}.py" for name in ("bodies", "aio_groups", "sync_groups"))

# In service/client/aio.py, where people touch them.
BY_HAND = {
    "create_number", "get_operation", "list_inventory", "get_number", "list_history", "patch_number",
    "release_with_grace", "restore_number", "release_number", "order_numbers", "list_orders", "get_order",
    "list_order_items", "cancel_order", "bulk_numbers", "get_own_quotas", "list_counted_rows", "get_statement",
    "export_statement", "me", "list_events", "list_webhooks", "create_webhook", "patch_webhook", "rotate_webhook",
    "delete_webhook", "list_deliveries",
}  # fmt: skip
# By operationId, why the client has no method for it.
LEFT_OUT = {
    "list_numbers": "Teli's own listing; `numbers` tells more",
    "update_agent": "Teli's own change of agents; `change` does it, and more",
    "healthz": "for whoever runs the gateway, and without a key",
    "readyz": "for whoever runs the gateway, and without a key",
}
# POSTs without an Idempotency-Key that do no more the second time: their pages say so.
HARMLESS_AGAIN = {
    "create_campaign", "pause_campaign", "end_campaign", "apply_import", "preview_invoice", "create_invoice",
    "attach_to_dispute", "close_period", "match_invoice",
}  # fmt: skip
GROUPS = {"/v1/admin/": "AsyncAdmin", "/v1/billing/": "AsyncBilling"}
DOCSTRINGS = {
    "AsyncAdmin": "Organisations, users, tenants, keys, limits, accounts, the log, the stop and the short lists.",
    "AsyncBilling": "Prices, months, budgets, invoices and disputes.",
    "AsyncGenerated": "What has no method made by hand: campaigns, calls, imports, saved filters, agents, drift.",
}
FORMS = {"text/csv": "csv", "application/x-ndjson": "ndjson", "application/vnd.apache.parquet": "parquet"}


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    told: Json

    @property
    def group(self) -> str:
        return next((group for start, group in GROUPS.items() if self.path.startswith(start)), "AsyncGenerated")

    @property
    def name(self) -> str:
        return self.id.removeprefix("list_") if self.method == "GET" else self.id

    @property
    def parts(self) -> list[tuple[str, str]]:
        return [(one["name"], argument_of(one["schema"])) for one in self._parameters("path")]

    @property
    def query(self) -> list[tuple[str, str, bool]]:
        """Name, type, and whether it must be given."""
        return [
            (one["name"], argument_of(one["schema"]).removesuffix(" | None"), one.get("required", False))
            for one in self._parameters("query")
        ]

    def takes(self, header: str) -> bool:
        return any(one["name"].lower() == header for one in self._parameters("header"))

    @property
    def body(self) -> str | None:
        """The schema of a JSON body."""
        schema = self._bodies.get("application/json", {}).get("schema", {})
        return schema["$ref"].rpartition("/")[2] if schema else None

    @property
    def files(self) -> list[str]:
        """The media types of a body that is a file."""
        return [one for one in self._bodies if one != "application/json"]

    @property
    def answers(self) -> Mapping[str, Mapping[str, Any]]:
        """By status of success the contents."""
        return {
            status: one.get("content", {}) for status, one in self.told["responses"].items() if status.startswith("2")
        }

    @property
    def answer(self) -> str | None:
        """The schema of the answer as JSON, where it is one at once."""
        schemas = (
            content["application/json"]["schema"] for content in self.answers.values() if "application/json" in content
        )
        return next((schema["$ref"].rpartition("/")[2] for schema in schemas), None)

    @property
    def may_be_pending(self) -> bool:
        content = self.answers.get("202", {}).get("application/json", {})
        return str(content.get("schema", {}).get("$ref", "")).endswith("/PendingOut")

    @property
    def other_forms(self) -> list[str]:
        """Media types of an answer other than JSON."""
        return [one for content in self.answers.values() for one in content if one != "application/json"]

    @property
    def _bodies(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.told.get("requestBody", {}).get("content", {})
        return found

    def _parameters(self, where: str) -> list[Json]:
        return [one for one in self.told.get("parameters", ()) if one["in"] == where]


def operations(openapi: Json) -> list[Operation]:
    return [
        Operation(told["operationId"], method.upper(), path, told)
        for path, item in openapi["paths"].items()
        for method, told in item.items()
    ]


def made(openapi: Json) -> list[Operation]:
    """Those that a method is made for."""
    return [one for one in operations(openapi) if one.id not in BY_HAND and one.id not in LEFT_OUT]


# -- Bodies ------------------------------------------------------------------------------------------------------------


def argument_of(schema: Json) -> str:
    """As `type_of`, wider: what a caller gives is turned into JSON."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        kinds = dict.fromkeys(argument_of(one) for one in schema["anyOf"] if one.get("type") != "null")
        return " | ".join([*kinds, *(["None"] if any(one.get("type") == "null" for one in schema["anyOf"]) else [])])
    if schema.get("type") == "array":
        return f"Sequence[{argument_of(schema['items'])}]"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"Mapping[str, {argument_of(schema['additionalProperties'])}]"
    kind = type_of(schema)
    return "UUID | str" if kind == "UUID" else kind


def bodies(openapi: Json) -> str:
    """The text of `service/client/bodies.py`."""
    schemas: Json = openapi["components"]["schemas"]
    order = with_parts(openapi, (one.body for one in made(openapi) if one.body))
    return formatted(
        f'"""What is sent, member by member. Made by `{MADE}` from the OpenAPI document."""\n\n'
        "from collections.abc import Mapping, Sequence\nfrom datetime import date, datetime\n"
        "from typing import Any, Required, TypedDict\nfrom uuid import UUID\n\n"
        + "\n\n".join(body(name, schemas[name]) for name in order)
    )


def body(name: str, schema: Json) -> str:
    required, members = set(schema.get("required", ())), []
    for member, one in schema["properties"].items():
        assert member.isidentifier() and not keyword.iskeyword(member), (name, member)
        kind = argument_of(one)
        members.append(f"    {member}: {f'Required[{kind}]' if member in required else kind}")
    return f"\nclass {name}(TypedDict, total=False):\n{docstring(schema)}{chr(10).join(members) or '    pass'}\n"


# -- Methods -----------------------------------------------------------------------------------------------------------


def groups(openapi: Json) -> str:
    """The text of `service/client/aio_groups.py`."""
    found = made(openapi)
    classes = []
    for group in ("AsyncAdmin", "AsyncBilling", "AsyncGenerated"):
        more = "        self.admin = AsyncAdmin(calls)\n        self.billing = AsyncBilling(calls)\n"
        classes.append(
            f'\nclass {group}:\n    """{DOCSTRINGS[group]}"""\n\n'
            "    def __init__(self, calls: AsyncCalls) -> None:\n        self._calls = calls\n"
            + (more if group == "AsyncGenerated" else "")
            + "\n"
            + "\n".join(text for one in found if one.group == group for text in methods(one, openapi))
        )
    return formatted(
        f'"""A method for each operation that has none in `aio.py`. Made by `{MADE}` from the OpenAPI document."""\n\n'
        "from collections.abc import AsyncIterator, Mapping, Sequence\nfrom datetime import date, datetime\n"
        "from os import PathLike\nfrom typing import Any, Unpack\nfrom uuid import UUID\n\n"
        "from service.client import bodies, files, models\n"
        "from service.client.aio_calls import WAIT, AsyncCalls\nfrom service.client.requests import path\n\n"
        + "\n\n".join(classes)
    )


def methods(one: Operation, openapi: Json) -> Iterator[str]:
    if one.answer is not None:
        page = is_page(openapi["components"]["schemas"][one.answer])
        yield listing(one, openapi) if page else call(one)
    elif "204" in one.answers:
        yield call(one)
    if one.method == "GET" and one.other_forms:
        yield export(one)


def listing(one: Operation, openapi: Json) -> str:
    item = openapi["components"]["schemas"][one.answer]["properties"]["items"]["items"]["$ref"].rpartition("/")[2]
    asked = [(name, kind, must) for name, kind, must in one.query if name not in ("limit", "cursor")]
    kind = f"models.{named(item)}"
    paged = "" if len(asked) < len(one.query) else ", paged=False"
    return (
        f"    def {one.name}({signature(one, asked)}) -> AsyncIterator[{kind}]:\n{doc(one)}"
        f"        return self._calls.items({kind}, {place(one)}, {{{params(asked)}}}{paged})\n"
    )


def call(one: Operation) -> str:
    more, request = [], [f'"{one.method}"', place(one)]
    if one.query:
        request.append(f"params={{{params(one.query)}}}")
    if one.body:
        request.append("body=body")
    if one.files:
        more.append("content: bytes")
        media = repr(one.files[0])
        if len(one.files) > 1:
            more.append(f"media_type: str = {media}")
            media = "media_type"
        request.append(f"content=content, media_type={media}")
    if one.takes("if-match"):
        more.append("if_match: str | None = None")
        request.append("if_match=if_match")
    if one.takes("prefer"):
        more.append("wait: float = WAIT")
        request.append("wait=wait")
    if one.takes("idempotency-key"):
        more.append("idempotency_key: str | None = None")
        request.append("keyed=True, idempotency_key=idempotency_key")
    if one.id in HARMLESS_AGAIN:
        request.append("harmless_again=True")
    kind = "None" if one.answer is None else f"models.{named(one.answer)}"
    made_of = f"self._calls.request({', '.join(request)})"
    if one.answer is None:
        ended = f"await self._calls.gone({made_of})"
    elif one.takes("prefer"):
        ended = f"return await self._calls.done({kind}, {made_of}, wait)"
    elif one.may_be_pending:
        ended = f"return await self._calls.settled({kind}, {made_of})"
    else:
        ended = f"return await self._calls.ask({kind}, {made_of})"
    return f"    async def {one.name}({signature(one, one.query, more)}) -> {kind}:\n{doc(one)}        {ended}\n"


def export(one: Operation) -> str:
    """Of a listing that comes as a file too, or of what is nothing but a file."""
    forms = [FORMS.get(media) for media in one.other_forms]
    asked = [(name, kind, must) for name, kind, must in one.query if name not in ("limit", "cursor")]
    told = "Into the file `target`, which is there once it is whole."
    if one.answer is None:
        media = "*/*" if one.other_forms == ["application/octet-stream"] else one.other_forms[0]
        name, accept, more = f"save_{one.id.removeprefix('get_')}", repr(media), []
        asks, gives = "await", "None"
    else:
        name, accept = f"export_{one.name}", f"files.media_type(format, {', '.join(map(repr, forms))})"
        more = [f'format: str = "{forms[0]}"  # noqa: A002\n']
        told += " How many there are."
        asks, gives = "return await", "int"
    return (
        f"    async def {name}({signature(one, asked, more, target=True)}) -> {gives}:\n{doc(one, told)}"
        f"        {asks} self._calls.export({place(one)}, {{{params(asked)}}}, {accept}, target)\n"
    )


def signature(
    one: Operation, query: list[tuple[str, str, bool]], more: Sequence[str] = (), *, target: bool = False
) -> str:
    """Parts of the path come in order and by no name, which a member of the body may have too."""
    parts = [f"{name}: {kind}" for name, kind in one.parts]
    if target:
        parts.append("target: str | PathLike[str]")
    named_ones = [f"{name}: {kind}" for name, kind, must in query if must]
    named_ones += [f"{name}: {kind} | None = None" for name, kind, must in query if not must]
    named_ones += more
    body = [f"**body: Unpack[bodies.{one.body}]"] if one.body else []
    assert one.body is None or not {name for name, _, _ in query} & {"idempotency_key", "if_match", "wait"}
    return ", ".join(["self", *parts, *(["/"] if parts else []), *(["*", *named_ones] if named_ones else []), *body])


def params(query: list[tuple[str, str, bool]]) -> str:
    return ", ".join(f'"{name}": {name}' for name, _, _ in query)


def place(one: Operation) -> str:
    if not one.parts:
        return f'"{one.path}"'
    template = one.path
    for name, _ in one.parts:
        template = template.replace(f"{{{name}}}", "{}")
    return f'path("{template}", {", ".join(name for name, _ in one.parts)})'


def doc(one: Operation, more: str = "") -> str:
    members = {
        parameter["name"]: parameter["description"]
        for parameter in one.told.get("parameters", ())
        if parameter["in"] == "query" and "description" in parameter and parameter["name"] not in ("limit", "cursor")
    }
    told = docstring(
        {
            "description": one.told["description"],
            "properties": {name: {"description": text} for name, text in members.items()},
        }
    )
    return textwrap.indent(told.rstrip("\n"), "    ") + "\n"
