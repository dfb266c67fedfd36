"""What the programs run on: one Postgres, one Valkey, one seller, and tenants with users and numbers.

Commits wait for the disk, as in production. The account's marks are known to come back, so that nobody waits for a
lane.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncpg
import httpx

from service.cli.provision import make_ledger
from service.db import open_database
from service.embedded import EmbeddedPostgres, EmbeddedValkey, temporary_data_dir
from service.kit.crypto import Secret
from service.migrations import ensure_database
from service.quotas.administration import QuotaAdministration, of_tenant
from service.tenants.accounts import ensure_account
from service.tenants.administration import Administration, Author

TENANTS, USERS, NUMBERS = 50, 4, 20
SECRET = "of the bench, and long enough to be one of these"
TABLES = Path(__file__).with_name("tables.sql")
PLENTY = 1_000_000_000
KEY_ENVIRONMENT = "bench"
AUTHOR = Author("bench")
# The users of a listing hold so many numbers and buy none.
LISTED = f"""
INSERT INTO users (organization_id, id)
  SELECT 'org-' || t, kind || t || '-' || u
  FROM generate_series(0, {TENANTS - 1}) t, generate_series(0, {USERS - 1}) u, unnest(ARRAY['buyer-', 'holder-']) kind;
INSERT INTO intents (id, tenant_id, account_id, organization_id, user_id, area_code, wish, mark, request_id, state,
                     admitted_at, lease_until, slot, decided_at, decision, number_id)
  SELECT gen_random_uuid(), 'tenant-' || t, a.id, 'org-' || t, 'holder-' || t || '-' || u, '415', '{{}}', '', 'bench',
         'owned', moment, moment, 1, moment, 'answer', gen_random_uuid()
  FROM accounts a, clock_timestamp() moment, generate_series(0, {TENANTS - 1}) t, generate_series(0, {USERS - 1}) u,
       generate_series(1, {NUMBERS});
INSERT INTO attempts (intent_id, tenant_id, admitted_at, ended_at)
  SELECT id, tenant_id, admitted_at, decided_at FROM intents;
SET session_replication_role = origin;
INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code, number_type,
                     nickname, state, intent_id, mark, acquired_at, confirmed_at)
  SELECT number_id, tenant_id, account_id, organization_id, user_id, '+1' || 4152000000 + row_number() OVER (),
         '(415) 200-0000', area_code, 'teli-voice', 'Sales', 'active', id, '', decided_at, decided_at
  FROM intents;
"""


class Program:
    """A process that answers on a port of its own, for as long as the block lasts."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._socket.getsockname()[1]
        self._command = [*command, str(self._socket.fileno())]
        self._environment = dict(os.environ) | dict(environment)
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command], env=self._environment, pass_fds=(self._socket.fileno(),),
                stdout=log, stderr=log,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._socket.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self, path: str, *, within: float = 60) -> None:
        """Raises: RuntimeError, with what it logged, where it does not come up."""
        until = time.monotonic() + within
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=2).status_code < 500:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not come up: {self._log.read_text()[-2000:]}")


@dataclass(frozen=True, slots=True)
class Tenant:
    """`numbers`: the ids of those that its users hold from the beginning."""

    id: str
    organization: str
    key: str
    buyers: list[str]
    holders: list[str]
    numbers: list[str]


@dataclass(frozen=True, slots=True)
class World:
    """`full`: a tenant whose quota is used up. `environment`: of our own program."""

    tenants: list[Tenant]
    full: Tenant
    environment: dict[str, str]
    ledger_url: str
    redis_url: str
    floor_url: str
    usual_url: str
    upstream_port: int
    data: Path

    def ours(self, *options: str, name: str = "ours") -> Program:
        return Program(name, ["-m", "service", "serve", *options, "--fd"], self.environment, self.data / f"{name}.log")

    def other(self, name: str) -> Program:
        """A program of `tests.bench.paths`, by the same server with the same parts."""
        environment = {
            "FLOOR_URL": self.floor_url, "USUAL_URL": self.usual_url, "LEDGER_URL": self.ledger_url,
            "REDIS_URL": self.redis_url, "UPSTREAM_PORT": str(self.upstream_port),
        }  # fmt: skip
        command = ["-m", "tests.bench.paths.serving", name]
        return Program(name, command, environment, self.data / f"{name}.log")


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """All of it, gone at the end."""
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(temporary_data_dir()))
        postgres = await stack.enter_async_context(EmbeddedPostgres(data / "postgres"))
        valkey = await stack.enter_async_context(EmbeddedValkey(data / "valkey"))
        upstream = Program("upstream", ["-m", "tests.bench.paths.upstream"], {}, data / "upstream.log")
        stack.enter_context(upstream)
        url = await make_ledger(postgres, secrets.token_urlsafe())
        upstream_url = f"http://127.0.0.1:{upstream.port}"
        ledger = postgres.superuser_url("numbergate")
        tenants = await _tenants(url, ledger, upstream_url)
        for name in ("floor", "usual"):
            await ensure_database(postgres.superuser_url(), name)
            await _others(postgres.superuser_url(name), tenants)
        *sharing, full = tenants
        environment = {
            "DATABASE_URL": url, "REDIS_URL": valkey.url, "TELI_BASE_URL": upstream_url, "TELI_API_KEY": "nobody-asks",
            "NUMBERGATE_TELI_TENANT_ID": "bench", "NUMBERGATE_SECRET": SECRET,
            "NUMBERGATE_KEY_ENVIRONMENT": KEY_ENVIRONMENT, "NUMBERGATE_METRICS_PORT": "0",
            # All come from one address.
            "NUMBERGATE_FAILED_AUTHENTICATIONS": "1000000",
        }  # fmt: skip
        yield World(
            sharing, full, environment, ledger, valkey.url, postgres.superuser_url("floor"),
            postgres.superuser_url("usual"), upstream.port, data,
        )  # fmt: skip


async def _tenants(url: str, superuser: str, upstream_url: str) -> list[Tenant]:
    database = open_database(url, "numbergate_api", pool=2)
    try:
        await ensure_account(database, base_url=upstream_url, teli_tenant_id="bench")
        administration = Administration(database, Secret(SECRET), key_environment=KEY_ENVIRONMENT)
        keys = []
        for place in range(TENANTS + 1):
            tenant, organization = f"tenant-{place}", f"org-{place}"
            await administration.put_organization(AUTHOR, organization, None)
            await administration.put_tenant(AUTHOR, tenant, f"Tenant {place}", [organization])
            held = PLENTY if place < TENANTS else 0
            await QuotaAdministration(database).put(AUTHOR, of_tenant(tenant), {"numbers_held": held})
            scopes = ["numbers:create", "numbers:read"]
            keys.append((await administration.issue_key(AUTHOR, tenant, name="bench", scopes=scopes)).key)
    finally:
        await database.engine.dispose()
    connection = await asyncpg.connect(superuser)
    await connection.execute("UPDATE accounts SET mode = 'mark', listed_at = clock_timestamp()")
    # Purchases and numbers refer to one another.
    await connection.execute(f"SET session_replication_role = replica; {LISTED}")
    numbers: dict[str, list[str]] = {}
    for row in await connection.fetch("SELECT tenant_id, id::text FROM numbers ORDER BY id"):
        numbers.setdefault(row["tenant_id"], []).append(row["id"])
    await connection.execute("INSERT INTO users (organization_id, id) VALUES ('org-50', 'buyer-50-0'); ANALYZE")
    await connection.close()
    return [
        Tenant(
            f"tenant-{place}", f"org-{place}", key, [f"buyer-{place}-{user}" for user in range(USERS)],
            [f"holder-{place}-{user}" for user in range(USERS)], numbers.get(f"tenant-{place}", []),
        )
        for place, key in enumerate(keys)
    ]  # fmt: skip


async def _others(url: str, tenants: list[Tenant]) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(TABLES.read_text())
    *sharing, full = tenants
    await connection.executemany("INSERT INTO keys VALUES ($1, $2)", [(one.key, one.id) for one in tenants])
    await connection.executemany(
        "INSERT INTO quotas VALUES ($1, $2)", [*((one.id, PLENTY) for one in sharing), (full.id, 0)]
    )
    await connection.close()
