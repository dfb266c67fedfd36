"""The whole stack on one machine: engines, simulator, API and worker, each a process of its own, as in production."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from service.cli.children import ChildEnded, child
from service.db import open_database
from service.embedded import EmbeddedError, EmbeddedPostgres, EmbeddedValkey, default_data_dir
from service.kit.crypto import Secret
from service.migrations import migrate
from service.quotas.administration import QuotaAdministration
from service.tenants.accounts import ensure_account
from service.tenants.administration import TENANT_SCOPES, Administration, Author

# The vendor page's own examples, so that they run as they stand.
ORGANIZATION = "1762896364768x389173798861431550"
USER = "1762896366429x599348279945132448"
TELI_TENANT = "your_tenant"
TENANT = "00000000-0000-7000-8000-000000000001"
LOGIN = "numbergate"
READY_WITHIN = 60.0
GENEROUS = 1_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """`teli_url`: another upstream than the simulator, with its key."""

    port: int = 0
    data: Path | None = None
    teli_url: str | None = None
    teli_key: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Where everything is, and the keys of the demo. Printed by `up --json`."""

    base_url: str
    console_url: str
    teli_url: str
    teli_control_url: str | None
    database_url: str
    redis_url: str
    admin_key: str
    tenant_key: str
    finance_key: str
    operator_key: str
    metrics_url: str
    organization_id: str
    tenant_id: str
    user_id: str


@dataclass(slots=True)
class Credentials:
    """Made at the first start and kept in the data folder, so that a later start has the same keys."""

    path: Path
    known: dict[str, str]

    @classmethod
    def of(cls, data: Path) -> "Credentials":
        path = data / "credentials.json"
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def get(self, name: str, make: Callable[[], str]) -> str:
        if name not in self.known:
            self.keep({name: make()})
        return self.known[name]

    def keep(self, more: dict[str, str]) -> None:
        """All or nothing: a half-written file would lock the data out."""
        self.known |= more
        draft = self.path.with_suffix(".new")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.known, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)


@asynccontextmanager
async def stack(wanted: Wanted, *, told: Callable[[str], None] = lambda _: None) -> AsyncIterator[Ready]:
    """Everything started and ready to buy. `told` hears of each phase as it ends.

    Raises: EmbeddedError; ChildEnded when a process of ours does not stay up.
    """
    data = wanted.data or default_data_dir() / ("upstream" if wanted.teli_url else "simulated")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as open_things:
        postgres = EmbeddedPostgres(data)
        valkey = EmbeddedValkey(data)
        await asyncio.gather(
            open_things.enter_async_context(postgres), open_things.enter_async_context(valkey)
        )
        told("PostgreSQL and Valkey")
        credentials = Credentials.of(data)
        teli_url, control_url, teli_key = await _upstream(open_things, wanted, data, credentials)
        told("Teli" if wanted.teli_url else "the Teli simulator")

        password = credentials.get("database_password", lambda: secrets.token_urlsafe(24))
        await _prepare_database(postgres.superuser_url(), password)
        database_url = postgres.url(LOGIN, LOGIN, password)
        await migrate(database_url)
        told("the schema")

        listener = _listen(wanted.port)
        metrics_port = _free_port()
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": valkey.url,
            "TELI_BASE_URL": teli_url,
            "TELI_API_KEY": teli_key,
            "NUMBERGATE_SECRET": credentials.get("secret", lambda: secrets.token_urlsafe(48)),
            "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
            "NUMBERGATE_KEY_ENVIRONMENT": "demo",
        }
        await _provision(database_url, environment["NUMBERGATE_SECRET"], credentials, teli_url)
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        api = await open_things.enter_async_context(
            child(
                ["serve", "--fd", str(listener.fileno())],
                environment | {"NUMBERGATE_METRICS_PORT": str(metrics_port)},
                fds=[listener.fileno()],
            )
        )
        worker = await open_things.enter_async_context(child(["worker"], environment))
        listener.close()
        await _until_ready(base_url, api, worker)
        told("API and worker")
        yield Ready(
            base_url=base_url,
            console_url=f"{base_url}/console",
            teli_url=teli_url,
            teli_control_url=control_url,
            database_url=database_url,
            redis_url=valkey.url,
            metrics_url=f"http://127.0.0.1:{metrics_port}/metrics",
            organization_id=ORGANIZATION,
            tenant_id=TENANT,
            user_id=USER,
            **{name: credentials.known[name] for name in ("admin_key", "tenant_key", "finance_key", "operator_key")},
        )


async def _upstream(
    open_things: AsyncExitStack, wanted: Wanted, data: Path, credentials: Credentials
) -> tuple[str, str | None, str]:
    if wanted.teli_url is not None:
        return wanted.teli_url.rstrip("/"), None, wanted.teli_key or ""
    key = credentials.get("simulator_key", lambda: secrets.token_urlsafe(24))
    process = await open_things.enter_async_context(
        child(
            ["simulator", "--state", str(data / "teli.sqlite")], {"TELI_SIMULATOR_KEY": key}, read_stdout=True
        )
    )
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise ChildEnded("the Teli simulator did not start")
    said = json.loads(line)
    return said["url"], said["control_url"], key


async def _prepare_database(superuser_url: str, password: str) -> None:
    """A database, and a login that may act as each of our roles but is none of them but the API's by itself."""
    with_everything = await asyncpg.connect(superuser_url)
    try:
        present = await with_everything.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", LOGIN)
        if not present:
            await with_everything.execute(f"CREATE DATABASE {LOGIN}")
    finally:
        await with_everything.close()
    inside = superuser_url.rsplit("/", 1)[0] + f"/{LOGIN}"
    await migrate_roles(inside, password)


async def migrate_roles(url: str, password: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        quoted = await connection.fetchval("SELECT quote_literal($1)", password)
        for role in ("numbergate_owner", "numbergate_api", "numbergate_worker", "numbergate_finance"):
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role} NOLOGIN")
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", LOGIN):
            await connection.execute(f"CREATE ROLE {LOGIN}")
        await connection.execute(f"ALTER ROLE {LOGIN} LOGIN PASSWORD {quoted}")
        await connection.execute(f"GRANT numbergate_api TO {LOGIN}")
        await connection.execute(f"GRANT numbergate_owner, numbergate_worker TO {LOGIN} WITH INHERIT FALSE, SET TRUE")
        await connection.execute("GRANT CREATE, USAGE ON SCHEMA public TO numbergate_owner")
        await connection.execute(f"GRANT CONNECT ON DATABASE {LOGIN} TO {LOGIN}")
    finally:
        await connection.close()


async def _provision(database_url: str, secret: str, credentials: Credentials, teli_url: str) -> None:
    """The demo's organisation, user, tenant and keys; again at a later start: nothing but the upstream's address."""
    database = open_database(database_url, "numbergate_api", pool=2)
    try:
        await ensure_account(database, base_url=teli_url, teli_tenant_id=TELI_TENANT)
        if "tenant_key" in credentials.known:
            return
        author = Author("numbergate up")
        administration = Administration(database, Secret(secret), key_environment="demo")
        await administration.put_organization(author, ORGANIZATION, "Demo organisation")
        await administration.put_user(author, ORGANIZATION, USER, {"name": "Demo user"})
        await administration.put_tenant(author, TENANT, "Demo tenant", [ORGANIZATION])
        await QuotaAdministration(database).put(author, TENANT, {"numbers_held": GENEROUS})
        tenant = await administration.issue_key(author, TENANT, name="demo", scopes=TENANT_SCOPES[:4])
        staff = {
            f"{kind}_key": (await administration.issue_staff_key(author, kind, "demo")).key
            for kind in ("admin", "finance", "operator")
        }
        credentials.keep({"tenant_key": tenant.key, **staff})
    finally:
        await database.engine.dispose()


def _listen(port: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    listener.set_inheritable(True)
    return listener


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        found: int = probe.getsockname()[1]
        return found


async def _until_ready(base_url: str, *children: asyncio.subprocess.Process) -> None:
    """Until purchases are open: the API answers and the worker has listed the account."""
    until = time.monotonic() + READY_WITHIN
    async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
        while time.monotonic() < until:
            if any(process.returncode is not None for process in children):
                raise ChildEnded("a process of the stack did not start; it says why above")
            try:
                answer = await http.get(f"{base_url}/readyz")
                if answer.status_code == 200 and answer.json()["purchases"] == "open":
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.05)
    raise ChildEnded(f"the stack was not ready within {READY_WITHIN:.0f} seconds")


def serve_stack(wanted: Wanted, *, json: bool) -> int:
    """`numbergate up`: until SIGTERM or Ctrl-C. Returns the exit code."""
    if wanted.teli_url and not wanted.teli_key:
        print("--teli-url needs a key: --teli-key, or TELI_API_KEY", file=sys.stderr)
        return 2

    async def main() -> None:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        began = time.perf_counter()
        starting = asyncio.ensure_future(_serve(wanted, ended, json=json, began=began))
        await _until_either(starting, ended)

    return guarded(main)


async def _serve(wanted: Wanted, ended: asyncio.Event, *, json: bool, began: float) -> None:
    def told(phase: str) -> None:
        print(f"{time.perf_counter() - began:6.2f} s  {phase}", file=sys.stderr, flush=True)

    async with stack(wanted, told=told) as ready:
        print(shown(ready, json=json), flush=True)
        await ended.wait()


async def _until_either(work: "asyncio.Future[None]", ended: asyncio.Event) -> None:
    """The work; where `ended` comes first it is cancelled, so that a start can be broken off too."""
    waiter = asyncio.ensure_future(ended.wait())
    either: set[asyncio.Future[Any]] = {work, waiter}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not work.done() and ended.is_set():
        work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        if not ended.is_set():
            raise


def guarded(main: Callable[[], Any]) -> int:
    """Run; what hinders the start is told in one line. Returns the exit code."""
    try:
        asyncio.run(main())
    except (EmbeddedError, ChildEnded, OSError) as error:
        print(f"numbergate: {error}", file=sys.stderr)
        return 1
    return 0


def shown(ready: Ready, *, json: bool) -> str:
    from json import dumps

    if json:
        return dumps(asdict(ready))
    return "\n".join(
        [
            "",
            f"Numbergate serves at {ready.base_url} (docs at {ready.base_url}/docs). Buy a number:",
            "",
            curl(ready),
            "",
            f"An administrator's key: {ready.admin_key}",
            "Stop with Ctrl-C.",
        ]
    )


def curl(ready: Ready) -> str:
    """The first purchase, to be pasted."""
    body = json.dumps({"area_code": "313", "user_id": ready.user_id, "organization_id": ready.organization_id})
    return (
        f"  curl {ready.base_url}/v1/voice/phone-numbers/create \\\n"
        f"    -H 'X-API-Key: {ready.tenant_key}' -H 'Idempotency-Key: my-first-number' \\\n"
        f"    -H 'Content-Type: application/json' \\\n"
        f"    -d '{body}'"
    )
