"""Every operation of the OpenAPI document, asked by every role of every thing; and a ledger that can be compared."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import asyncpg
import httpx

from tests.access.operations import OPERATIONS, PUBLIC, Entry
from tests.access.roles import Role
from tests.access.world import Thing, World

# What a refused request may move: columns (the last use of a key, or of a session), and rows, by a condition on those
# that it may not move (the audit of refusals).
COLUMNS_MAY_MOVE = {"api_keys": ("last_used_at", "last_used_from"), "sessions": ("seen_at",)}
ROWS_MAY_NOT_MOVE = {"audit": "action <> 'request.refused'"}
# Of nobody in particular; moved by whoever changes anything, and put back by nobody.
SHARED = ("alembic_version", "version")
NOT_TOLD = {"x-request-id", "date"}


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    described: dict[str, Any]
    schemas: dict[str, Any]

    @property
    def granted(self) -> set[int]:
        return {int(status) for status in self.described["responses"] if status.startswith("2")}

    @property
    def changes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True)
class Cell:
    role: Role
    operation: Operation
    entry: Entry
    thing: Thing

    def __str__(self) -> str:
        return f"{self.role.name}: {self.operation.method} {self.operation.path} of {self.thing.name}"

    @property
    def expected(self) -> tuple[set[int], str | None]:
        """Statuses, any of which is right, and the code of a refusal."""
        refusal = self.entry.refusal(self.role, self.thing)
        return ({refusal[0]}, refusal[1]) if refusal else (self.operation.granted, None)

    @property
    def may_change(self) -> bool:
        return self.operation.changes and self.expected[1] is None

    async def asked(self, world: World) -> httpx.Response:
        described, named = self.operation.described, self.thing.named
        body, headers = None, await headers_of(world, self.role)
        file: dict[str, Any] = {}
        parameters = {
            one["name"]: (one["in"], one["schema"].get("examples", [""])[0])
            for one in described.get("parameters", [])
            if one["required"]
        }
        given = {name: example for name, (_, example) in parameters.items()}
        given |= {name: value for name, value in named.items() if name in given}
        given |= {name: value.format(**named) for name, value in self.entry.path.items()}
        path = self.operation.path.format(**given).replace("+", "%2B")
        query = {name: given[name] for name, (place, _) in parameters.items() if place == "query"}
        query |= {name: value.format(**named) for name, value in self.entry.query.items()}
        sent = described.get("requestBody", {}).get("content", {})
        for kind in [one for one in sent if one != "application/json" and "examples" in sent[one]["schema"]]:
            file = {"content": sent[kind]["schema"]["examples"][0].encode()}
            headers |= {"Content-Type": kind}
        if "application/json" in sent:
            schema = sent["application/json"]["schema"]["$ref"].rpartition("/")[2]
            example = self.operation.schemas[schema]["examples"][0]
            mine = {
                name: value.format(**named) if isinstance(value, str) else value
                for name, value in self.entry.body.items()
            }
            body = {name: value for name, value in (example | mine).items() if name not in self.entry.without}
        return await world.gateway.http.request(
            self.operation.method, path, params=query, json=body, headers=headers, **file
        )


async def headers_of(world: World, role: Role) -> dict[str, str]:
    if role.sends is None:
        return {"X-API-Key": world.keys[role.name]}
    return role.sends if isinstance(role.sends, dict) else await role.sends(world)


def operations(document: dict[str, Any]) -> list[Operation]:
    """Those that are asked with a key. Raises: AssertionError where one has no entry, or an entry no operation."""
    found = [
        Operation(one["operationId"], method.upper(), path, one, document["components"]["schemas"])
        for path, item in document["paths"].items()
        for method, one in item.items()
    ]
    missing = [one for one in found if one.name not in OPERATIONS and one.name not in PUBLIC]
    told = "\n".join(
        f'    "{one.name}": [Entry(("which:scope",), of="…", reach=…)],  # {one.method} {one.path}' for one in missing
    )
    assert not missing, f"who may ask this, and whose rows may it name? Say so in tests/access/operations.py:\n{told}"
    left_over = OPERATIONS.keys() - {one.name for one in found}
    assert not left_over, f"no longer operations, take them out of tests/access/operations.py: {sorted(left_over)}"
    return [one for one in found if one.name not in PUBLIC]


def cells(role: Role, found: Sequence[Operation], world: World) -> Iterator[list[Cell]]:
    """Of one role: those of one entry together."""
    for operation in found:
        for entry in OPERATIONS[operation.name]:
            yield [Cell(role, operation, entry, thing) for thing in world.things[entry.of]]


def told(answer: httpx.Response) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """What an answer tells but for its request id."""
    body = answer.content.replace(answer.headers["x-request-id"].encode(), b"-")
    return answer.status_code, body, tuple(sorted(pair for pair in answer.headers.items() if pair[0] not in NOT_TOLD))


class LedgerCopy:
    """The whole ledger as it was: what differs from it, and how to go back to it."""

    def __init__(self, connection: "asyncpg.Connection[Any]", tables: Sequence[str]) -> None:
        self._connection = connection
        self._tables = tables
        self._digests = _digests({name: ROWS_MAY_NOT_MOVE.get(name, "true") for name in tables})

    @classmethod
    async def of(cls, url: str) -> Self:
        connection = await asyncpg.connect(url)
        tables = [
            row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        copy = cls(connection, [name for name in tables if name not in SHARED])
        await connection.execute("SET session_replication_role = replica")
        for name in copy._tables:
            await connection.execute(f"CREATE TEMP TABLE was_{name} AS SELECT * FROM {name}")
        return copy

    async def digests(self) -> dict[str, str]:
        """Of every table, by one statement."""
        return dict(await self._connection.fetchrow(self._digests) or {})

    async def go_back(self, before: dict[str, str]) -> None:
        after = await self.digests()
        for name in self._tables:
            if after[name] != before[name]:
                await self._connection.execute(
                    f"DELETE FROM {name}; INSERT INTO {name} OVERRIDING SYSTEM VALUE SELECT * FROM was_{name}"
                )

    async def foreign(self, owner: str) -> dict[str, str]:
        """Of every table, the digest of what is not this tenant's."""
        columns = {
            row[0]
            for row in await self._connection.fetch(
                "SELECT table_name FROM information_schema.columns"
                " WHERE table_schema = 'public' AND column_name = 'tenant_id'"
            )
        }
        foreign = {
            name: f"{ROWS_MAY_NOT_MOVE.get(name, 'true')} AND {_foreign(name, name in columns)}"
            for name in self._tables
        }
        return dict(await self._connection.fetchrow(_digests(foreign), owner) or {})

    async def close(self) -> None:
        await self._connection.close()


def _digests(conditions: dict[str, str]) -> str:
    """One statement for the digest of each of these tables, over the rows of which its condition is true."""
    parts = []
    for name, condition in conditions.items():
        moving = "{" + ",".join(COLUMNS_MAY_MOVE.get(name, ())) + "}"
        row = f"(to_jsonb(t) - '{moving}'::text[])::text"
        rows = f"string_agg({row}, chr(10) ORDER BY {row})"
        parts.append(f"(SELECT md5(coalesce({rows}, '')) FROM {name} t WHERE {condition}) AS {name}")
    return "SELECT " + ", ".join(parts)


def _foreign(table: str, has_tenant: bool) -> str:
    match table:
        case "tenants":
            return "id <> $1"
        case "send_slots" | "send_queue":
            return "false"  # The account's, whoever buys.
        case "audit":
            return "coalesce(tenant_id, '') <> $1 AND NOT ($1 = 'tenant-None' AND object_kind = 'filter')"
        case "saved_filters":
            # Who acts for no tenant has its own too, and those that are shared are an administrator's to change.
            nobodys = "organization_id IS NULL AND tenant_id NOT LIKE '@%'"
            return f"tenant_id <> $1 AND ($1 <> 'tenant-None' OR ({nobodys}))"
        case _:
            return "coalesce(tenant_id, '') <> $1" if has_tenant else "true"


def leaks(body: str, marks: set[str], asked: str) -> set[str]:
    """Marks of others' rows in an answer, but for those that the request itself named."""
    return {one for one in marks if one in body and one not in asked}


def without_filters(statement: str) -> tuple[str, int]:
    """The statement with every condition on the tenant made void, and how many there were."""
    return TENANT_FILTER.subn(r"(\g<0> OR true)", statement)


TENANT_FILTER = re.compile(r"(?<![\w.])(?:\w+\.)?tenant_id = (?:\$\d+(?:::\w+)?|tenant\b)")
