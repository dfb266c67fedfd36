"""Where the stories play: a gateway behind a real server, its worker, callers, an operator, and time that passes.

The worker works when it is told to, and time passes when it is told to, so that the real windows of minutes and days
hold, and no outcome depends on how fast this machine is.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx

from service.tenants.accounts import ensure_account
from tests.conftest import OpenGateway
from tests.contract.answers import Told
from tests.http.serving import served
from tests.simulator.control import SimulatorControl
from tests.support.gateway import CREATE, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

MINUTE, HOUR, DAY = 60, 3600, 86_400
# As the database's owner, past every policy; the one row by which processes hear of changes may only go on, and the
# price book's first version is filed but once by a gateway.
EMPTIES = """
    SELECT string_agg(format('DELETE FROM %I', tablename), ';') FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'version', 'price_versions')
"""
# Every moment in the ledger but those of its append-only records, by which nothing is decided.
AGES = """
    SELECT string_agg(format('UPDATE %I SET %s', table_name, moved), ';') FROM (
      SELECT table_name, string_agg(format('%1$I = %1$I - make_interval(secs => %2$s)', column_name, $1::float8), ', ')
        AS moved FROM information_schema.columns
      WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
        AND table_name NOT IN ('audit', 'outbox', 'version') GROUP BY table_name
    ) tables
"""


class Caller:
    """A tenant's service: it sends, and keeps what it was told. `saw` is that in words."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.saw: list[str] = []
        self.told: list[Told] = []
        self.wishes: dict[str, dict[str, Any]] = {}
        self._pending: dict[str, str] = {}

    @property
    def id(self) -> str:
        return self.tenant.id

    def forget(self) -> None:
        """What was told so far is no part of the story; what is pending stays so."""
        self.saw.clear()
        self.wishes.clear()

    async def buys(
        self, area_code: str | None = "313", *, key: str = "one", prefer: str | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask for a number; the same `key` is the same request. A field that is None is left out."""
        wanted = {"area_code": area_code, "user_id": USER, "organization_id": ORGANIZATION, **fields}
        body = {name: value for name, value in wanted.items() if value is not None}
        headers = {"Idempotency-Key": key} | ({"Prefer": prefer} if prefer else {})
        answer = await self.tenant.send("POST", CREATE, json=body, headers=headers)
        told = Told.of(answer, key=key)
        self.told.append(told)
        self.saw.append(f"again {told.words}" if key in self.wishes else told.words)
        self.wishes[key] = {"area_code": area_code, **fields}
        if told.operation:
            self._pending[told.operation] = key
        return answer

    async def asks(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Any other request."""
        answer = await self.tenant.send(method, path, **kwargs)
        told = Told.of(answer)
        self.saw.append(told.words)
        if told.operation:
            self._pending[told.operation] = ""
        return answer

    async def releases(self, phone_number: str, **params: Any) -> httpx.Response:
        return await self.asks("DELETE", f"{NUMBERS}/{phone_number}", params=params)

    async def looks_after(self) -> None:
        """Poll what was pending."""
        for operation_id, key in list(self._pending.items()):
            operation = await self.tenant.operation(operation_id)
            said = operation["state"]
            if said != "pending":
                words = f"operation {said}"
                if operation["problem"]:
                    words += f" (`{operation['problem']['code']}`)"
                self.saw.append(words)
            else:
                self.saw.append("operation pending")
            if said in ("succeeded", "failed"):
                del self._pending[operation_id]
                if key:
                    self.told.append(Told.of_operation(operation, key=key))


class Stage:
    """One running gateway for all stories; each finds its ledger empty, and a Teli that was reset."""

    def __init__(
        self, gateway: Gateway, http: httpx.AsyncClient, owner: asyncpg.Connection, open_gateway: OpenGateway
    ) -> None:
        self.gateway, self.http, self.owner, self.open_gateway = gateway, http, owner, open_gateway

    async def scene(self) -> "Scene":
        """Everything is as on the first day, and there is one caller."""
        gateway = self.gateway
        await gateway.teli.reset()
        await gateway.flush_redis()
        await self.overrules(await self.owner.fetchval(EMPTIES))
        settings = gateway.settings
        await ensure_account(
            gateway.worker.database, base_url=settings.teli_base_url, teli_tenant_id=settings.teli_tenant_id
        )
        await gateway.prepare()
        scene = Scene(self)
        await scene.another_caller()
        return scene

    async def overrules(self, statements: str) -> None:
        """Change the ledger behind everybody's back."""
        await self.owner.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {statements}; COMMIT")

    async def ages(self, seconds: float) -> None:
        """All that the ledger knows happened that much longer ago, which is the same as a clock that went on."""
        await self.overrules(await self.owner.fetchval(AGES, seconds))


class Scene:
    """One story: its callers, its operator, the worker, and time."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self.gateway, self.teli = stage, stage.gateway, stage.gateway.teli
        self.operator = Tenant(stage.http, "", stage.gateway.operator.key)
        self.callers: list[Caller] = []
        self.before: set[str] = set()
        self.asked_before: set[int] = set()

    @property
    def caller(self) -> Caller:
        """Whose story it is: the first."""
        return self.callers[0]

    async def another_caller(self, **kwargs: Any) -> Caller:
        tenant = await self.gateway.tenant(quota=100, **kwargs)
        self.callers.append(Caller(Tenant(self._stage.http, tenant.id, tenant.key)))
        return self.callers[-1]

    async def begins(self) -> None:
        """What happened up to here is how the story found the world."""
        self.caller.forget()
        rows = await self.gateway.sql("SELECT id FROM intents UNION ALL SELECT id FROM steps")
        self.before = {str(row[0]) for row in rows}
        self.asked_before = {one["request_id"] for one in await self.teli.requests()}

    async def holds(self, *, count: int = 1) -> list[dict[str, Any]]:
        """The caller holds numbers already, bought and confirmed; the story begins after that."""
        answers = [await self.caller.buys(key=f"held-{one}") for one in range(count)]
        assert {answer.status_code for answer in answers} == {200}
        await self.works()
        await self.begins()
        return [answer.json() for answer in answers]

    async def works(self) -> None:
        """The worker does all that is due: steps, lapsed sends, and looks."""
        await self.gateway.sql("SELECT lapse_sends(100)")
        await self.gateway.follow_up()
        await self.gateway.worker.resolver.run()
        await self.gateway.follow_up()

    async def passes(self, seconds: float, *, every: float | None = None) -> None:
        """Seconds pass, in the ledger and at Teli; the worker works at the end, or `every` so many of them."""
        step = every or seconds
        for _ in range(int(seconds // step)):
            await self._stage.ages(step)
            await self.teli.advance(step)
            await self.works()

    async def settles(self) -> None:
        """The natural end: the worker looks; then minutes pass, then the days of the write-off; then a person decides.

        Each only where what was before it left something open.
        """
        await self.works()
        if await self.open_doubts("doubtful"):
            await self.passes(20 * MINUTE, every=5 * MINUTE)
        await self.caller.looks_after()
        if await self.open_doubts():
            await self.passes(4 * DAY, every=DAY)
            if await self.open_doubts():
                await self.operator_decides()
            await self.caller.looks_after()
        await self.asks_again()

    async def asks_again(self) -> None:
        """The caller repeats each request of the story, word for word."""
        for key, wish in list(self.caller.wishes.items()):
            await self.caller.buys(key=key, prefer="wait=1", **wish)

    async def open_doubts(self, *states: str) -> list[str]:
        rows = await self.gateway.sql(
            "SELECT id FROM intents WHERE state = ANY (:states)", states=list(states or ("doubtful", "unresolved"))
        )
        return [str(row[0]) for row in rows]

    async def operator_decides(self) -> None:
        """A person asks the carrier, who knows, and tells the gateway of every doubt what was bought, if anything."""
        sold = await bought_by_mark(self.teli)
        for doubt in (await self.operator.get("/v1/admin/doubts")).json()["items"]:
            numbers = sold.get(doubt["mark"], [])
            decision = {"decision": "owned", "phone_number": numbers[0]} if numbers else {"decision": "refused"}
            await self.decides("doubts", doubt["id"], **decision)
        await self.works()

    async def decides(self, what: str, item_id: str, **decision: Any) -> None:
        path = f"/v1/admin/{what}/{item_id}/resolve"
        answer = await self.operator.send("POST", path, json={"reason": "the carrier says so", **decision})
        assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def gateway_with(self, **settings: Any) -> AsyncIterator[None]:
        """For a while the caller speaks to another gateway on the same ledger, set up differently."""
        async with self._stage.open_gateway(**settings) as other, serving(other) as http:
            mine, self.caller.tenant.http = self.caller.tenant.http, http
            try:
                yield
            finally:
                self.caller.tenant.http = mine


async def bought_by_mark(teli: SimulatorControl) -> dict[str, list[str]]:
    """The numbers ever bought through the API, by the mark that their request carried."""
    requests = {one["request_id"]: one for one in await teli.requests("create") if one["method"] == "POST"}
    bought: dict[str, list[str]] = {}
    for purchase in await teli.purchases():
        if request := requests.get(purchase["request_id"]):
            bought.setdefault(mark_sent(request), []).append(purchase["phone_number"])
    return bought


def mark_sent(request: Mapping[str, Any]) -> str:
    """The mark at the head of the nickname, as it left."""
    return str((request["body"] or {}).get("nickname") or "").split("]")[0] + "]"


@asynccontextmanager
async def serving(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway on a socket, and a client of it."""
    async with (
        served(gateway) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False, verify=False) as http,
    ):
        yield http


@asynccontextmanager
async def stage(open_gateway: OpenGateway) -> AsyncIterator[Stage]:
    """A gateway for many stories, one after another."""
    async with open_gateway() as gateway, serving(gateway) as http:
        owner = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
        try:
            yield Stage(gateway, http, owner, open_gateway)
        finally:
            await owner.close()
