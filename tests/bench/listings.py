"""What row-level security costs a listing: the same questions of the service, held to it and not.

A tenant lists its numbers, and an administrator an organisation's, over many numbers of many tenants. Told is the time
of a whole call, with what Python does around its statements.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median
from typing import cast
from uuid import UUID

import asyncpg
from sqlalchemy import make_url

from service.db import Database, Role, open_database
from service.exports.exports import ExportLimits, Exports
from service.inventory.filters import Filters
from service.inventory.inventory import Inventory
from service.kit.crypto import Secret
from service.kit.pagination import Cursors
from service.kit.types import OrganizationId, TenantId
from service.numbers.listing import Query, TeliListings
from service.tenants.principals import Kind, Principal

TENANTS, ORGANIZATIONS, ROUNDS, PAGE = 1000, 20, 31, 1000
FILL = f"""
    INSERT INTO accounts (id, name, base_url, teli_tenant_id) VALUES (gen_random_uuid(), 'bench', 'b', 'c');
    INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code, state,
                         intent_id, mark, acquired_at, confirmed_at)
      SELECT gen_random_uuid(), 'tenant-' || n %% {TENANTS}, a.id, 'org-' || n %% {ORGANIZATIONS},
             'user-' || n %% {TENANTS}, '+1' || (2000000000 + n), '', '313',
             CASE n %% 7 WHEN 0 THEN 'released' WHEN 1 THEN 'missing' ELSE 'active' END, gen_random_uuid(), '',
             timestamptz '2026-01-01Z' + make_interval(secs => n), clock_timestamp()
      FROM accounts a, generate_series(1, %d) n;
    INSERT INTO agent_links (number_id, direction, tenant_id, desired, state)
      SELECT id, 'inbound', tenant_id, 'agent', 'confirmed' FROM numbers
"""
Listing = Callable[[], Awaitable[object]]


def principal(kind: Kind, tenant: str | None, *sees: str) -> Principal:
    return Principal(
        key_id=UUID(int=1), kind=kind, tenant_id=TenantId(tenant) if tenant else None, tag=None, account_id=None,
        teli_tenant_id=None, organization_ids=(OrganizationId("org-3"),), sees=sees,
        scopes=frozenset({"numbers:read", "inventory:org"}), idempotency_required=False, expires_at=None,
    )  # fmt: skip


TENANT, ADMIN = principal("service", "tenant-3"), principal("admin", None, "*")


def listings(database: Database) -> dict[str, Listing]:
    exports = Exports(database, ExportLimits(60, 1 << 30))
    cursors = Cursors(Secret("of the bench, and long enough to be one"))
    numbers, inventory = TeliListings(database, cursors), Inventory(database, cursors, exports)
    own, whole = Query("org-3", "user-3", whole=False), Query("org-3", "", whole=True)
    return {
        "a tenant's numbers, as Teli lists them": lambda: numbers.page(TENANT, own, limit=PAGE, cursor=None),
        "a tenant's inventory": lambda: inventory.page(TENANT, Filters(), limit=PAGE, cursor=None),
        "an administrator's organisation, as Teli lists it": lambda: numbers.page(
            ADMIN, whole, limit=PAGE, cursor=None
        ),
        "an administrator's inventory of an organisation": lambda: inventory.page(
            ADMIN, Filters(organization_id="org-3"), limit=PAGE, cursor=None
        ),
        "an administrator's inventory of everything": lambda: inventory.page(ADMIN, Filters(), limit=PAGE, cursor=None),
    }


async def measure(url: str, rows: int) -> None:
    connection = await asyncpg.connect(url)
    # No foreign keys are looked up, for all is made here.
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    for statement in (FILL % rows).split(";"):
        await connection.execute(statement)
    for table in ("numbers", "agent_links"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.close()
    async with AsyncExitStack() as stack:
        ways: dict[str, dict[str, Listing]] = {}
        for name, role in (("held", "numbergate_api"), ("free", cast(Role, make_url(url).username))):
            database = open_database(url, cast(Role, role), pool=1)
            stack.push_async_callback(database.engine.dispose)
            ways[name] = listings(database)
        print(f"row-level security over {rows} numbers of {TENANTS} tenants, medians of {ROUNDS} rounds")
        for listing in ways["held"]:
            took: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, asked in ways.items():
                    began = time.perf_counter()
                    await asked[listing]()
                    took[name].append(time.perf_counter() - began)
            held, free = (1000 * median(took[name]) for name in ("held", "free"))
            print(f"{listing:52} {held:7.2f} ms, without {free:7.2f} ms, ratio {held / free:5.2f}")
