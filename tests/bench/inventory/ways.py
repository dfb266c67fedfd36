"""The three ways to ask one question: by hand, by the service's own code, and over HTTP."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from service.db import Database, open_database
from service.embedded import EmbeddedValkey, temporary_data_dir
from service.exports.exports import ExportLimits, Exports
from service.inventory.inventory import PLANNING, Inventory
from service.inventory.repository import COUNTED
from service.inventory.schemas import InventoryQuery
from service.inventory.sorting import Sort
from service.kit.crypto import Secret
from service.kit.pagination import Cursors
from service.tenants.administration import Administration, Author
from service.tenants.principals import Principal, Principals
from service.tenants.version import VersionWatch
from tests.bench.inventory.questions import PAGE, Ask, Question, Who
from tests.bench.timing import timed
from tests.support.process import Serving

SECRET = "of the bench, and long enough to be one of these"
ENVIRONMENT = {
    "TELI_BASE_URL": "http://127.0.0.1:9",
    "TELI_API_KEY": "nobody-is-asked",
    "NUMBERGATE_SECRET": SECRET,
    "NUMBERGATE_TELI_TENANT_ID": "bench",
    "NUMBERGATE_LOG_LEVEL": "warning",
    "NUMBERGATE_METRICS_PORT": "",
}
SCOPES = ("numbers:read",)


@dataclass(frozen=True, slots=True)
class Answer:
    """`statements`: seconds in Postgres and on the way there, of `seconds` in all."""

    ids: list[str]
    total: dict[str, Any]
    seconds: float
    statements: float = 0.0


class ByHand:
    """Without row-level security, and with a plan for the values of each question."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def __call__(self, question: Question, ask: Ask) -> Answer:
        began = time.perf_counter()
        rows = await self._connection.fetch(question.page(ask), *ask.args)
        # A page that is not full tells the total itself.
        counted = len(rows)
        if counted > PAGE:
            counted = await self._connection.fetchval(question.count(ask), *ask.args)
        exact = counted <= COUNTED
        if not exact:
            [plan] = json.loads(await self._connection.fetchval(question.estimate(ask), *ask.args))
            counted = max(COUNTED, plan["Plan"]["Plan Rows"])
        seconds = time.perf_counter() - began
        total = {"value": counted, "exact": exact}
        return Answer([str(row["id"]) for row in rows[:PAGE]], total, seconds)


class InProcess:
    """`Inventory.page`, in the role of the API and held to row-level security."""

    def __init__(self, database: Database, principals: dict[Who, Principal]) -> None:
        exports = Exports(database, ExportLimits(within=600, most=1 << 30))
        self._inventory = Inventory(database, Cursors(Secret(SECRET)), exports)
        self._principals = principals
        self._statements = timed(database)

    async def __call__(self, question: Question, ask: Ask) -> Answer:
        body, seconds = await self.page(question, ask, limit=PAGE, cursor=None)
        ids = [str(item["id"]) for item in body["items"]]
        # The first says for whom the transaction acts.
        return Answer(ids, body["total"], seconds, sum(self._statements[1:]))

    async def page(
        self, question: Question, ask: Ask, *, limit: int, cursor: str | None
    ) -> tuple[dict[str, Any], float]:
        self._statements.clear()
        began = time.perf_counter()
        query = InventoryQuery.model_validate(question.params(ask))
        body = await self._inventory.page(
            self._principals[question.who], query.filters(), Sort.of(query.sort), limit=limit, cursor=cursor
        )
        return body, time.perf_counter() - began


class OverHttp:
    """`GET /v1/numbers` of an API that runs as in production, by a connection that stays open."""

    def __init__(self, http: httpx.AsyncClient, keys: dict[Who, str], serving: Serving) -> None:
        self.http, self.keys, self.serving = http, keys, serving

    async def __call__(self, question: Question, ask: Ask) -> Answer:
        began = time.perf_counter()
        answer = await self.http.get(
            "/v1/numbers",
            params={**question.params(ask), "limit": PAGE},
            headers={"X-API-Key": self.keys[question.who]},
        )
        body = answer.read()
        seconds = time.perf_counter() - began
        if answer.status_code != 200:
            raise RuntimeError(f"{question.name}: {answer.status_code} {answer.text}")
        found = json.loads(body)
        return Answer([item["id"] for item in found["items"]], found["total"], seconds)


@dataclass(frozen=True, slots=True)
class Ways:
    by_hand: ByHand
    in_process: InProcess
    over_http: OverHttp


@asynccontextmanager
async def ways(url: str) -> AsyncIterator[Ways]:
    async with AsyncExitStack() as stack:
        valkey = await stack.enter_async_context(EmbeddedValkey(Path(stack.enter_context(temporary_data_dir()))))
        connection = await asyncpg.connect(url, server_settings=PLANNING)
        stack.push_async_callback(connection.close)
        database = open_database(url, "numbergate_api", pool=2)
        stack.push_async_callback(database.engine.dispose)
        keys = await _keys(database)
        principals = Principals(database, Secret(SECRET), VersionWatch(database))
        resolved = {who: await principals.of(key) for who, key in keys.items()}
        serving = Serving({**ENVIRONMENT, "DATABASE_URL": url, "REDIS_URL": valkey.url})
        stack.callback(serving.close)
        await serving.start()
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=serving.url, timeout=120))
        yield Ways(ByHand(connection), InProcess(database, resolved), OverHttp(http, keys, serving))


async def _keys(database: Database) -> dict[Who, str]:
    administration = Administration(database, Secret(SECRET), key_environment="bench")
    author, tenant = Author("bench"), "tenant-0-1"
    admin = await administration.issue_staff_key(author, "admin", "bench")
    own = await administration.issue_key(author, tenant, name="bench", scopes=SCOPES)
    whole = await administration.issue_key(author, tenant, name="bench", scopes=[*SCOPES, "inventory:org"])
    return {"administrator": admin.key, "tenant": own.key, "tenant that sees its organisation": whole.key}
