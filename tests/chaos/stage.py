"""A ledger of its own with an API and a worker that can be killed, and a tenant and organisation of its own at Teli."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from service.db import open_database
from service.exports.exports import ExportLimits, Exports
from service.kv import KeyValue
from service.quotas.administration import of_tenant
from service.settings import Settings
from service.teli.client import TeliClient
from service.tenants.accounts import ensure_account
from service.tenants.administration import TENANT_SCOPES, Author
from service.wiring import Services, assemble
from tests.chaos.child import Child, Role
from tests.conftest import SECRET, Engines, execute
from tests.simulator.control import SimulatorControl
from tests.simulator.program import Simulator
from tests.support.gateway import Tenant

NAMES = count(1)
AUTHOR = Author("test")
TIMES = {
    "NUMBERGATE_UPSTREAM_TIMEOUT": "1",
    "NUMBERGATE_ANSWER_WITHIN": "1",
    "NUMBERGATE_SETTLING_WINDOW": "1.5",
    "NUMBERGATE_WRITE_OFF": "2",
    "NUMBERGATE_RESOLVE_INTERVAL": "0.25",
    "NUMBERGATE_SWEEP_INTERVAL": "0.5",
    "NUMBERGATE_MARK_KEEP": "1",
}


@dataclass
class Stage:
    """`others` are further APIs, `more_workers` further workers; `url` is a superuser's, of the ledger.

    `lost` and `nobody` are users for whom faults are armed: an answer is lost, a request is lost.
    """

    services: Services
    ledger: asyncpg.Connection
    teli: SimulatorControl
    api: Child
    worker: Child
    teli_tenant: str
    organization: str
    others: list[Child]
    url: str = ""
    more_workers: list[Child] = field(default_factory=list)
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    user: str = field(default_factory=lambda: f"user-{uuid4().hex[:12]}")
    lost: str = field(default_factory=lambda: f"lost-{uuid4().hex[:12]}")
    nobody: str = field(default_factory=lambda: f"nobody-{uuid4().hex[:12]}")

    def child(self, role: Role) -> Child:
        return self.api if role == "api" else self.worker

    async def people(self) -> None:
        """The organisation and its users, at Teli and here."""
        administration = self.services.administration
        await self.teli.organization(self.teli_tenant, unique_id=self.organization)
        await administration.put_organization(AUTHOR, self.organization, "Test")
        for user in (self.user, self.lost, self.nobody):
            await self.teli.user(self.organization, unique_id=user)
            await administration.put_user(AUTHOR, self.organization, user, {"name": "Test"})

    async def until_listed(self) -> None:
        """Until purchases are open: the account's numbers are known."""
        async with asyncio.timeout(60):
            while not await self.sql("SELECT 1 FROM accounts WHERE listed_at IS NOT NULL"):
                await asyncio.sleep(0.05)

    async def stranger(self) -> str:
        """A user that only Teli knows."""
        user = f"stranger-{uuid4().hex[:12]}"
        await self.teli.user(self.organization, unique_id=user)
        return user

    async def tenant(self, http: httpx.AsyncClient, *, quota: int, scopes: Sequence[str] = TENANT_SCOPES) -> Tenant:
        tenant_id = f"tenant-{uuid4().hex[:12]}"
        await self.services.administration.put_tenant(AUTHOR, tenant_id, "Test", [self.organization])
        await self.services.quotas.put(AUTHOR, of_tenant(tenant_id), {"numbers_held": quota})
        issued = await self.services.administration.issue_key(AUTHOR, tenant_id, name="test", scopes=scopes)
        return Tenant(http, tenant_id, issued.key)

    async def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.one_at_a_time:
            if self.ledger.is_closed():
                self.ledger = await asyncpg.connect(self.url)
            return [tuple(row) for row in await self.ledger.fetch(statement, *values)]


@asynccontextmanager
async def stage(
    engines: Engines,
    template: str,
    simulator: Simulator,
    *,
    worker_dies_at: tuple[str, ...] = (),
    apis: int = 1,
    workers: int = 1,
    redis_url: str | None = None,
    times: Mapping[str, str] = TIMES,
    shared: socket.socket | None = None,
    teli_url: str | None = None,
) -> AsyncIterator[Stage]:
    """Open, with its processes serving; on a Redis of its own, where one is named.

    `shared`: the APIs listen on this socket, all of them. `teli_url`: another way to the simulator.
    """
    name = f"chaos_{next(NAMES)}"
    await execute(engines, f"CREATE DATABASE {name} TEMPLATE {template}")
    url = engines.postgres.superuser_url(name)
    # Else each would file what the others have at Teli, for a sweep goes over all that the key shows.
    teli_tenant, key = f"teli-{uuid4().hex[:12]}", f"key-{uuid4().hex}"
    environment = {
        "REDIS_URL": redis_url or engines.valkey.url,
        "TELI_BASE_URL": teli_url or simulator.url,
        "TELI_API_KEY": key,
        "NUMBERGATE_SECRET": SECRET,
        "NUMBERGATE_TELI_TENANT_ID": teli_tenant,
        "NUMBERGATE_DATABASE_POOL": "8",
        "NUMBERGATE_LOG_LEVEL": "error",
        "NUMBERGATE_LOG_FORMAT": "json",
        **times,
    }
    async with AsyncExitStack() as stack:
        stack.push_async_callback(execute, engines, f"DROP DATABASE {name} WITH (FORCE)")
        settings = Settings.model_validate({**environment, "DATABASE_URL": url})
        database = open_database(url, "numbergate_api", pool=2)
        kv = KeyValue.open(environment["REDIS_URL"])
        client = TeliClient(simulator.url, key, listen=1)
        ledger = await asyncpg.connect(url)
        teli = await stack.enter_async_context(SimulatorControl(simulator.control_url))
        for close in (database.engine.dispose, kv.close, client.close, ledger.close):
            stack.push_async_callback(close)
        await teli.tenant(teli_tenant, key)
        await ensure_account(database, base_url=teli_url or simulator.url, teli_tenant_id=teli_tenant)
        api, worker = Child("api", environment, url, shared), Child("worker", environment, url)
        services = assemble(settings, database, kv, client, Exports(database, ExportLimits(60, 1 << 20)))
        others = [Child("api", environment, url, shared) for _ in range(apis - 1)]
        opened = Stage(
            services, ledger, teli, api, worker, teli_tenant, f"organization-{uuid4().hex[:12]}", others, url
        )
        await opened.people()
        stack.push_async_callback(api.close)
        stack.push_async_callback(worker.close)
        await api.open()
        await worker.open(*worker_dies_at)
        for other in others:
            stack.push_async_callback(other.close)
            await other.open()
        for _ in range(workers - 1):
            another = Child("worker", environment, url)
            stack.push_async_callback(another.close)
            await another.open()
            opened.more_workers.append(another)
        for one in (api, *others):
            await one.until_ready()
        if not worker_dies_at:
            await opened.until_listed()
        yield opened


@asynccontextmanager
async def stages(engines: Engines, template: str, simulator: Simulator, number: int) -> AsyncIterator[list[Stage]]:
    """Several, beside one another, at a Teli that remembers nothing of before."""
    async with SimulatorControl(simulator.control_url) as teli:
        await teli.reset()
    async with AsyncExitStack() as stack:
        opening = (stack.enter_async_context(stage(engines, template, simulator)) for _ in range(number))
        yield list(await asyncio.gather(*opening))
