"""A gateway in this process over a real Postgres, a real Valkey and the simulator, for tests to talk to."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any, ClassVar
from uuid import uuid4

import httpx
from sqlalchemy import CursorResult, text

from service.app import create_app
from service.http.edge import STANDARD, Edge, Limits
from service.quotas.administration import of_tenant
from service.settings import Settings
from service.tenants.administration import TENANT_SCOPES, Author
from service.wiring import Services
from tests.simulator.control import SimulatorControl
from tests.support.leaks import watch_answer
from tests.support.redis_servers import connected

ORGANIZATION = "1762896364768x389173798861431550"
USER = "1762896366429x599348279945132448"
TELI_TENANT = "your_tenant"
CREATE = "/v1/voice/phone-numbers/create"
NUMBERS = "/v1/voice/phone-numbers"
AUTHOR = Author("test")


class Tenant:
    """A tenant with a key, and the requests it makes."""

    def __init__(self, http: httpx.AsyncClient, tenant_id: str, key: str) -> None:
        self.http, self.id, self.key = http, tenant_id, key

    async def send(self, method: str, path: str, *, headers: Mapping[str, str] = {}, **kwargs: Any) -> httpx.Response:
        return await self.http.request(method, path, headers={"X-API-Key": self.key, **headers}, **kwargs)

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.send("GET", path, **kwargs)

    async def buy(
        self, area_code: str = "313", *, key: str | None = None, prefer: str | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask for one number; `key` is the idempotency key."""
        headers = {name: value for name, value in (("Idempotency-Key", key), ("Prefer", prefer)) if value is not None}
        body = {"area_code": area_code, "user_id": USER, "organization_id": ORGANIZATION, **fields}
        return await self.send("POST", CREATE, json=body, headers=headers)

    async def bought(self, area_code: str = "313", **kwargs: Any) -> dict[str, Any]:
        """Buy one number, which must succeed; the body of the answer.

        A machine so slow that the moment to send had gone by before the request left (503, nothing was bought) is
        asked again, as the answer says.
        """
        answer = await self.buy(area_code, **kwargs)
        for _ in range(5):
            if answer.status_code != 503 or answer.json()["code"] != "upstream_unavailable" or "key" in kwargs:
                break
            answer = await self.buy(area_code, **kwargs)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def operation(self, operation_id: str, wait: float = 0) -> dict[str, Any]:
        answer = await self.get(f"/v1/operations/{operation_id}", params={"wait": wait})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


class App:
    """An application that is used again, with other services: making one takes longer than most tests do."""

    _idle: ClassVar[defaultdict[Limits, list["App"]]] = defaultdict(list)

    def __init__(self, limits: Limits) -> None:
        self._services: Any = None
        self._edge: Edge = create_app(lambda: nullcontext(self._services), limits)

    @classmethod
    @contextmanager
    def over(cls, services: Services, limits: Limits = STANDARD) -> Iterator[Edge]:
        idle = cls._idle[limits]
        app = idle.pop() if idle else cls(limits)
        app._services = app._edge.app.state.services = services  # type: ignore[attr-defined]
        try:
            yield app._edge
        finally:
            idle.append(app)


class Gateway:
    """`app` is what uvicorn would serve; `admin` is an administrator; the worker's jobs run when told to."""

    def __init__(self, services: Services, worker: Services, settings: Settings, teli: SimulatorControl) -> None:
        self.services, self.worker, self.settings, self.teli = services, worker, settings, teli
        self._kept = App.over(services)
        self.app = self._kept.__enter__()
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False),
            base_url="http://numbergate",
            timeout=60,
            event_hooks={"response": [watch_answer]},
        )
        self.admin: Tenant
        self.operator: Tenant

    async def prepare(self) -> None:
        """An organisation and user that Teli knows too, the account listed, an administrator."""
        administration = self.services.administration
        await administration.put_organization(AUTHOR, ORGANIZATION, "Test organisation")
        await administration.put_user(AUTHOR, ORGANIZATION, USER, {"name": "Test user"})
        admin = await administration.issue_staff_key(AUTHOR, "admin", "test")
        operator = await administration.issue_staff_key(AUTHOR, "operator", "test")
        self.admin = Tenant(self.http, "", admin.key)
        self.operator = Tenant(self.http, "", operator.key)
        await self.worker.existing.list_new_accounts()
        await self.services.version.look()

    async def tenant(self, *, quota: int | None = None, **kwargs: Any) -> Tenant:
        """A new tenant that may buy for the organisation; `quota` limits the numbers it may hold."""
        tenant_id = f"tenant-{uuid4().hex[:12]}"
        administration = self.services.administration
        await administration.put_tenant(AUTHOR, tenant_id, "Test", kwargs.pop("organization_ids", [ORGANIZATION]))
        if quota is not None:
            await self.services.quotas.put(AUTHOR, of_tenant(tenant_id), {"numbers_held": quota})
        issued = await administration.issue_key(
            AUTHOR, tenant_id, name="test", scopes=kwargs.pop("scopes", TENANT_SCOPES), **kwargs
        )
        return Tenant(self.http, tenant_id, issued.key)

    async def key_of(self, tenant: Tenant, **kwargs: Any) -> Tenant:
        """The same tenant by a further key, with every scope unless they are named."""
        scopes = kwargs.pop("scopes", TENANT_SCOPES)
        issued = await self.services.administration.issue_key(
            AUTHOR, tenant.id, name="further", scopes=scopes, **kwargs
        )
        return Tenant(self.http, tenant.id, issued.key)

    async def put_quotas(self, tenant: Tenant, **limits: Any) -> None:
        """As an administrator does, and as replicas have heard of within a second."""
        answer = await self.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}/quotas", json=limits)
        assert answer.status_code == 200, answer.text
        await self.services.version.look()

    async def follow_up(self) -> None:
        """Let the worker do every step that is due."""
        while await self.follow_up_once():
            continue

    async def follow_up_once(self) -> int:
        """Let the worker do what is due at this moment. Returns how many steps that was."""
        begun = await self.worker.numbers.follow_ups.begin_due()
        await asyncio.gather(*begun)
        return len(begun)

    async def hurry(self) -> None:
        """Let every step that waits be due now, and do it."""
        await self.sql("UPDATE steps SET due_at = clock_timestamp() WHERE state = 'waiting'")
        await self.follow_up()

    async def look_everywhere(self) -> None:
        """Let the worker list every organisation now."""
        await self.sql("UPDATE looks SET looked_at = '-infinity'")
        await self.worker.resolver.run()

    async def looking_meanwhile(self, work: "asyncio.Future[Any]") -> None:
        """Let the worker list everything again and again until this is done. Raises: what it does."""
        while not work.done():
            await self.look_everywhere()
            await asyncio.wait([work], timeout=0.2)
        await work

    async def step(self, kind: str) -> dict[str, Any]:
        """The latest step of that kind."""
        [row] = await self.sql(
            "SELECT to_jsonb(s) FROM steps s WHERE kind = :kind ORDER BY created_at DESC LIMIT 1", kind=kind
        )
        found: dict[str, Any] = row[0]
        return found

    async def audited(self, number_id: str) -> list[tuple[str, str, str | None]]:
        """Action, author and request id of every audit entry of a number, oldest first."""
        return [
            (action, actor, request_id)
            for action, actor, request_id in await self.sql(
                "SELECT action, actor, request_id FROM audit WHERE object_id = :id ORDER BY id", id=number_id
            )
        ]

    async def told(self, number_id: str) -> list[str]:
        """The kinds of a number's events, oldest first."""
        rows = await self.sql("SELECT kind FROM outbox WHERE number_id = :id ORDER BY id", id=number_id)
        return [kind for (kind,) in rows]

    async def mark_mode(self, tenant: Tenant) -> None:
        """Buy one number and confirm it, so that the account has seen a mark come back."""
        await tenant.bought()
        await self.follow_up()
        assert await self.sql("SELECT mode FROM accounts") == [("mark",)]

    async def ready(self) -> httpx.Response:
        """What `/readyz` answers whom nobody asked before in the last second."""
        self.services.health._found = None
        return await self.http.get("/readyz")

    async def sql(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask the ledger as the worker, who sees everything."""
        async with self.worker.database.acting() as session:
            result = await session.execute(text(statement), values)
            assert isinstance(result, CursorResult)
            assert result.returns_rows or not statement.lstrip().startswith("SELECT"), "rows without a column are lost"
            return [tuple(row) for row in result.all()] if result.returns_rows else []

    def redis(self) -> AbstractAsyncContextManager[Any]:
        """Redis itself, all of it, by a client of the test's own."""
        return connected(self.settings.redis_url.get_secret_value())

    async def flush_redis(self) -> None:
        async with self.redis() as redis:
            await redis.flushall()

    async def close(self) -> None:
        await self.services.numbers.provisioning.drain()
        await self.worker.numbers.provisioning.drain()
        for services in (self.services, self.worker):
            await services.circuits.written()
        await self.services.numbers.follow_ups.drain()
        await self.http.aclose()
        self._kept.__exit__(None, None, None)
