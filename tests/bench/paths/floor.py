"""The floor: a raw ASGI program that does what a purchase must and nothing else. No row-level security, no checks.

Redis once; one statement that makes the purchase known, durably; the seller; one statement that keeps what came of it,
durably; Redis once. As many rows as ours in as many tables. Of other paths: what one statement, or one question to
Redis, takes.
"""

import asyncio
import gc
import hashlib
import os
from collections import deque
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from starlette.types import Receive, Scope, Send

from tests.bench.paths.wire import Redis, Upstream

CONNECTIONS = 20
ENTER = "return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}"
LEAVE = "return redis.call('SET', KEYS[1], ARGV[1], 'PX', 86400000)"
ADMIT = """
WITH quota AS (UPDATE quotas SET reserved = reserved + 1 WHERE tenant_id = $1 AND used + reserved < most RETURNING 1),
     named AS (INSERT INTO idempotency_keys SELECT $1, $2, $3, $4 FROM quota),
     intent AS (INSERT INTO intents (id, tenant_id, organization_id, user_id, area_code, state)
                  SELECT $4, $1, $5, $6, $7, 'sending' FROM quota)
INSERT INTO attempts (intent_id) SELECT $4 FROM quota RETURNING 1
"""
SETTLE = """
WITH quota AS (UPDATE quotas SET used = used + 1, reserved = reserved - 1 WHERE tenant_id = $1),
     attempt AS (UPDATE attempts SET ended_at = clock_timestamp(), heard = $8 WHERE intent_id = $2),
     number AS (INSERT INTO numbers (id, tenant_id, organization_id, user_id, phone_number, area_code, state, intent_id)
                  VALUES ($3, $1, $4, $5, $6, $7, 'active', $2)),
     intent AS (UPDATE intents SET state = 'owned', decided_at = clock_timestamp(), number_id = $3, answer = $9
                  WHERE id = $2),
     audit AS (INSERT INTO audit (tenant_id, action, object_id, after)
                 VALUES ($1, 'intent.owned', $2::text, jsonb_build_object('phone_number', $6::text)))
INSERT INTO outbox (tenant_id, kind, payload)
  VALUES ($1, 'number.acquired', jsonb_build_object('phone_number', $6::text, 'user_id', $5::text))
"""
LIST = """
SELECT phone_number, pretty, area_code, number_type, nickname, id, state, acquired_at FROM numbers
WHERE organization_id = $1 AND user_id = $2 AND tenant_id = $3 AND state <> 'released' ORDER BY acquired_at, id
"""
NUMBER = "SELECT to_jsonb(n)::text FROM numbers n WHERE id = $1 AND tenant_id = $2"


class Connections:
    """So many to a database, held open; who finds none waits."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: deque[asyncpg.Connection[Any]] = deque()
        self._waiting: deque[asyncio.Future[asyncpg.Connection[Any]]] = deque()

    async def open(self) -> None:
        for _ in range(CONNECTIONS):
            connection = await asyncpg.connect(self._url)
            await connection.set_type_codec("jsonb", encoder=str, decoder=str, schema="pg_catalog")
            self._free.append(connection)

    async def take(self) -> "asyncpg.Connection[Any]":
        if self._free:
            return self._free.pop()
        turn: asyncio.Future[asyncpg.Connection[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return await turn

    def give(self, connection: "asyncpg.Connection[Any]") -> None:
        if self._waiting:
            self._waiting.popleft().set_result(connection)
        else:
            self._free.append(connection)

    async def fetch(self, question: str, *args: Any) -> list[Any]:
        connection = await self.take()
        try:
            return await connection.fetch(question, *args)
        finally:
            self.give(connection)


class Floor:
    def __init__(self) -> None:
        self._own = Connections(os.environ["FLOOR_URL"])
        self._ledger = Connections(os.environ["LEDGER_URL"])
        self._port = int(os.environ["UPSTREAM_PORT"])
        self._tenants: dict[bytes, str] = {}

    async def start(self) -> None:
        await self._own.open()
        await self._ledger.open()
        self._redis = await Redis.open(os.environ["REDIS_URL"])
        self._enter, self._leave = await self._redis.script(ENTER), await self._redis.script(LEAVE)
        for row in await self._own.fetch("SELECT key, tenant_id FROM keys"):
            self._tenants[row["key"].encode()] = row["tenant_id"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self.start()
            gc.collect()
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        heads = dict(scope["headers"])
        tenant = self._tenants.get(heads.get(b"x-api-key", b""))
        if tenant is None:
            status, body = 401, b'{"title":"Unauthorized"}'
        elif scope["method"] == "POST":
            status, body = await self._create(tenant, heads.get(b"idempotency-key"), (await receive())["body"])
        elif scope["path"].startswith("/v1/numbers/"):
            status, body = 200, await self._number(tenant, UUID(scope["path"][12:]))
        else:
            query = dict(pair.split("=") for pair in scope["query_string"].decode().split("&"))
            status, body = 200, await self._list(tenant, query["organization_id"], query["user_id"])
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _create(self, tenant: str, key: bytes | None, body: bytes) -> tuple[int, bytes]:
        named = b"answer:%b:%b" % (tenant.encode(), key or b"")
        answer, full = await self._redis.ask("EVALSHA", self._enter, 2, named, f"full:{tenant}")
        if answer is not None:
            return 200, answer
        if full is not None:
            return 429, full
        wish, intent_id = orjson.loads(body), uuid4()
        organization, user = wish["organization_id"], wish["user_id"]
        fingerprint = hashlib.sha256(body).hexdigest()
        try:
            admitted = await self._own.fetch(
                ADMIT, tenant, (key or intent_id.hex.encode()).decode(), fingerprint, intent_id, organization, user,
                wish["area_code"],
            )  # fmt: skip
        except asyncpg.UniqueViolationError:
            return 200, await self._answer_of_the_first(named)
        if not admitted:
            return 429, b'{"title":"Quota exceeded"}'
        heard = await Upstream.post(self._port, body)
        sold, number_id = orjson.loads(heard), uuid4()
        told = orjson.dumps(sold | {"id": str(number_id), "operation_id": str(intent_id), "state": "active"})
        await self._own.fetch(
            SETTLE, tenant, intent_id, number_id, organization, user, sold["phone_number"], sold["area_code"],
            heard.decode(), told.decode(),
        )  # fmt: skip
        await self._redis.ask("EVALSHA", self._leave, 1, named, told)
        return 200, told

    async def _answer_of_the_first(self, named: bytes) -> bytes:
        """Of those who bring one key at the same moment."""
        async with asyncio.timeout(10):
            while (answer := await self._redis.ask("GET", named)) is None:
                await asyncio.sleep(0.005)
        first: bytes = answer
        return first

    async def _list(self, tenant: str, organization: str, user: str) -> bytes:
        rows = await self._ledger.fetch(LIST, organization, user, tenant)
        return orjson.dumps({"success": True, "phone_numbers": [dict(row) for row in rows], "count": len(rows)}, str)

    async def _number(self, tenant: str, number_id: UUID) -> bytes:
        [row] = await self._ledger.fetch(NUMBER, number_id, tenant)
        told: str = row[0]
        return told.encode()


app = Floor()
