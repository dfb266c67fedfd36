"""A ledger as large deployments have it: many organisations, of which one holds a fifth of all numbers.

Made within Postgres, in parts, before the indexes. The same seed makes the same rows, save for the dates, which end
today, so that numbers are as idle tomorrow as they are today.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
import orjson

ORGANIZATIONS = 2000
LARGEST = "org-0000"
LARGEST_SHARE = 0.2
RARE_TAG, RARE_TAGS = "recall", 100
PART, CONNECTIONS = 100_000, 3
TABLES = ("numbers", "agent_links")
# No foreign keys are looked up, for all is made here.
QUICKLY = {
    "session_replication_role": "replica", "enable_nestloop": "off", "work_mem": "128MB", "maintenance_work_mem": "1GB"
}  # fmt: skip
# As Postgres writes an array.
AREA_CODES = (
    "212,213,214,281,303,305,310,312,313,323,347,404,407,408,415,425,469,480,503,510,512,516,602,612,615,617,619,626,"
    "646,702,703,704,713,714,718,720,773,786,801,804,813,817,818,832,847,858,904,909,914,916,917,919,925,949,954,972"
)
DEPARTMENTS = "Sales,Support,Billing,Dispatch,Claims,Reception,Recruiting,Service"
CITIES = (
    "Albany,Boston,Chicago,Dallas,Denver,Detroit,Houston,Kansas,Madison,Memphis,Miami,Newark,Oakland,Omaha,Orlando,"
    "Phoenix,Portland,Reno,Sacramento,Seattle,Tampa,Toledo,Tucson,Tulsa"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    numbers: int
    seed: int


def _u(salt: int) -> str:
    """SQL: a number from 0 to 1 that is always the same for this row and salt."""
    return f"((hashint8extended(n, %(seed)s + {salt}) >> 11) & 9007199254740991) / 9007199254740992.0::float8"


def _count(words: str) -> int:
    return words.count(",") + 1


def _of(words: str, chosen: str) -> str:
    """SQL: one of the words, by an expression from 0 to 1."""
    return f"('{{{words}}}'::text[])[1 + floor({_count(words)} * {chosen})::int]"


# How many an organisation holds falls with its rank as in a power law: the second holds 6 %, the last a few hundred of
# ten million. It has tenants, users and agents accordingly.
ORGANIZATIONS_SQL = f"""
CREATE SCHEMA bench;
CREATE TABLE bench.organizations AS
  SELECT rank, 'org-' || lpad(rank::text, 4, '0') AS id, expected,
         least(40, 1 + floor(sqrt(expected / 2000)))::int AS tenants,
         greatest(3, floor(expected / 50))::int AS users, greatest(2, floor(expected / 500))::int AS agents
  FROM generate_series(0, {ORGANIZATIONS - 1}) rank,
       LATERAL (SELECT %(numbers)s * CASE rank WHEN 0 THEN {LARGEST_SHARE} ELSE {1 - LARGEST_SHARE}
         * (cbrt(rank / {ORGANIZATIONS - 1}.0) - cbrt((rank - 1) / {ORGANIZATIONS - 1}.0)) END AS expected) e;
ALTER TABLE bench.organizations ADD PRIMARY KEY (rank);
ANALYZE bench.organizations;
INSERT INTO accounts (id, name, base_url, teli_tenant_id, listed_at)
  VALUES (gen_random_uuid(), 'default', 'http://localhost', 'bench', clock_timestamp());
INSERT INTO organizations (id, name) SELECT id, 'Organisation ' || rank FROM bench.organizations;
INSERT INTO tenants (id, name, tag, account_id)
  SELECT 'tenant-' || rank || '-' || t, 'Tenant', 'b' || rank || '-' || t, (SELECT id FROM accounts)
  FROM bench.organizations, generate_series(0, tenants - 1) t;
INSERT INTO grants (tenant_id, organization_id)
  SELECT 'tenant-' || rank || '-' || t, id FROM bench.organizations, generate_series(0, tenants - 1) t;
"""

# Rows come in the order of their acquisition, as in life; of every tenth fifty all at one moment, as by an order.
# No two live numbers are the same: the second eight million lie in other area codes than the first.
NUMBERS_SQL = f"""
INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, holder_user_id, phone_number, pretty,
    area_code, number_type, nickname, cost_center, tags, state, intent_id, mark, marked, acquired_at, confirmed_at,
    upstream_row_id, subscription_id, upstream_nickname, released_at, last_inbound_call_at, idle_since)
SELECT md5('number %(seed)s ' || n)::uuid, 'tenant-' || o.rank || '-' || floor(o.tenants * u_tenant * u_tenant),
    (SELECT id FROM accounts), o.id, 'user-' || o.rank || '-' || floor(o.users * u_user * u_user),
    CASE WHEN u_holder < 0.2 THEN 'user-' || o.rank || '-' || floor(o.users * u_holder * 5) END,
    '+1' || area || line, '(' || area || ') ' || left(line, 3) || '-' || right(line, 4), area, 'local',
    nickname, CASE WHEN u_center < 0.7 THEN 'CC-' || lpad(floor(200 * u_center * u_center)::text, 3, '0') END,
    array_remove(ARRAY[
      CASE WHEN u_tag < 0.4 THEN 'production' WHEN u_tag < 0.5 THEN 'staging' END,
      CASE WHEN u_tag > 0.3 AND u_tag < 0.8 THEN 'team-' || floor(200 * u_team ^ 3) END,
      CASE WHEN u_tag > 0.6 AND u_tag < 0.75 THEN 'campaign-' || floor(5000 * u_team ^ 2) END,
      CASE WHEN n %% greatest(1, %(numbers)s / {RARE_TAGS}) = 0 THEN '{RARE_TAG}' END], NULL),
    state, md5('intent %(seed)s ' || n)::uuid, '[' || left(md5(n::text), 13) || ']', u_state > 0.97,
    acquired_at, CASE WHEN u_state < 0.995 THEN acquired_at + interval '5 s' END,
    (1600000000000 + n) || 'x' || lpad(n::text, 18, '7'), 'sub_' || left(md5('s' || n), 20), nickname,
    CASE state WHEN 'released' THEN acquired_at + (until - acquired_at) * u_line END,
    CASE WHEN u_idle < 0.4 THEN greatest(acquired_at, until - interval '365 d' * u_idle * u_idle) END,
    CASE WHEN u_idle < 0.75 THEN greatest(acquired_at, until - interval '365 d' * u_idle * u_idle) END
FROM (
  SELECT n, {_u(1)} AS u_org, {_u(2)} AS u_tenant, {_u(3)} AS u_user, {_u(4)} AS u_holder, {_u(5)} AS u_center,
      {_u(6)} AS u_tag, {_u(7)} AS u_team, {_u(8)} AS u_state, {_u(9)} AS u_idle, {_u(10)} AS u_line,
      {_u(11)} AS u_name, {_u(12)} AS u_city, date_trunc('day', clock_timestamp()) AS until
  FROM generate_series(%(first)s::bigint, %(last)s) n OFFSET 0
) r
JOIN bench.organizations o ON o.rank = CASE WHEN u_org < {LARGEST_SHARE} THEN 0
    ELSE 1 + floor({ORGANIZATIONS - 1} * ((u_org - {LARGEST_SHARE}) / {1 - LARGEST_SHARE}) ^ 3)::int END,
LATERAL (SELECT
    ('{{{AREA_CODES}}}'::text[])[1 + (floor({_count(AREA_CODES)}
      * (((hashint8extended(n %% 8000000, %(seed)s) >> 11) & 9007199254740991) / 9007199254740992.0::float8) ^ 2)::int
      + n / 8000000) %% {_count(AREA_CODES)}] AS area,
    (2000000 + n %% 8000000)::text AS line,
    CASE WHEN u_state < 0.80 THEN 'active' WHEN u_state < 0.95 THEN 'released'
         WHEN u_state < 0.97 THEN 'release_scheduled' WHEN u_state < 0.975 THEN 'releasing'
         WHEN u_state < 0.98 THEN 'missing' ELSE 'active' END AS state,
    CASE WHEN u_name < 0.7 THEN {_of(DEPARTMENTS, "(u_name / 0.7) ^ 2")}
         || CASE WHEN u_line < 0.7 THEN ' line ' ELSE ' ' END || {_of(CITIES, "u_city")} || ' ' || n %% 10000
         END AS nickname,
    until - interval '1095 d' * (1 - (CASE WHEN n / 50 %% 10 = 0 THEN n / 50 * 50 ELSE n END) / %(numbers)s::float8)
      AS acquired_at
  OFFSET 0) f
ORDER BY n
"""

# Four of ten numbers answer by an agent, one of seven calls by one.
LINKS_SQL = f"""
INSERT INTO agent_links (number_id, direction, tenant_id, desired, confirmed, state, updated_at)
SELECT md5('number %(seed)s ' || n)::uuid, direction,
    'tenant-' || o.rank || '-' || floor(o.tenants * u_tenant * u_tenant), agent,
    CASE WHEN u_link < 0.38 THEN agent END, CASE WHEN u_link < 0.38 THEN 'confirmed' ELSE 'pending' END,
    clock_timestamp()
FROM (SELECT n, {_u(1)} AS u_org, {_u(2)} AS u_tenant, {_u(13)} AS u_link, {_u(14)} AS u_agent
      FROM generate_series(%(first)s::bigint, %(last)s) n OFFSET 0) r
JOIN bench.organizations o ON o.rank = CASE WHEN u_org < {LARGEST_SHARE} THEN 0
    ELSE 1 + floor({ORGANIZATIONS - 1} * ((u_org - {LARGEST_SHARE}) / {1 - LARGEST_SHARE}) ^ 3)::int END,
LATERAL (SELECT direction, 'agent-' || o.rank || '-' || floor(o.agents * u_agent * u_agent) AS agent
         FROM unnest(ARRAY['inbound', 'outbound']) direction
         WHERE u_link < CASE direction WHEN 'inbound' THEN 0.4 ELSE 0.14 END) l
"""


# What each tenant holds, as purchases count it one by one.
HELD_SQL = """
INSERT INTO quotas (scope, tenant_id, organization_id, user_id, used, day, month)
SELECT 'tenant', t.id, '', '', coalesce(n.held, 0), current_date, date_trunc('month', current_date)::date
FROM tenants t LEFT JOIN (
  SELECT tenant_id, count(*) AS held FROM numbers WHERE state IN ('active', 'release_scheduled', 'releasing') GROUP BY 1
) n ON n.tenant_id = t.id
ON CONFLICT (scope, tenant_id, organization_id, user_id)
  DO UPDATE SET used = excluded.used, day = excluded.day, month = excluded.month
"""


async def made(url: str) -> dict[str, Any] | None:
    """What a kept ledger was made of, once it was made wholly."""
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("SELECT to_regclass('bench.made') IS NOT NULL"):
            return None
        found = await connection.fetchval("SELECT of FROM bench.made")
        return None if found is None else dict(orjson.loads(found))
    finally:
        await connection.close()


async def make(url: str, wanted: Wanted, told: Callable[[str], None]) -> None:
    """Fill a migrated, empty database. Rows first, and every index anew over all of them."""
    values = asdict(wanted)
    began = time.monotonic()
    async with asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS, server_settings=QUICKLY) as pool:
        await pool.execute(ORGANIZATIONS_SQL % values)
        # Not ready, an index is not kept up; REINDEX makes it ready again.
        await pool.execute(
            "UPDATE pg_index SET indisready = false, indisvalid = false"
            " WHERE indrelid IN ('numbers'::regclass, 'agent_links'::regclass)"
        )
        done = 0
        turn = asyncio.Semaphore(CONNECTIONS)

        async def part(first: int) -> None:
            nonlocal done
            last = min(first + PART, wanted.numbers) - 1
            async with turn, pool.acquire() as connection:
                for statement in (NUMBERS_SQL, LINKS_SQL):
                    await connection.execute(statement % {**values, "first": first, "last": last})
            done += last - first + 1
            if done % (10 * PART) == 0:
                told(f"{done:,} numbers after {time.monotonic() - began:.0f} s")

        await asyncio.gather(*(part(first) for first in range(0, wanted.numbers, PART)))
        for table in TABLES:
            await pool.execute(f"VACUUM (ANALYZE, FREEZE) {table}")  # Before its indexes, which it need not go through.
            for (index,) in await pool.fetch(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::regclass", table
            ):
                await pool.execute(f"REINDEX INDEX {index}")
                told(f"{index} after {time.monotonic() - began:.0f} s")
        await pool.execute(HELD_SQL)
        await pool.execute("CREATE TABLE bench.made AS SELECT $1::jsonb AS of", orjson.dumps(values).decode())
        await pool.execute("ANALYZE; CHECKPOINT")
