"""`./dev bench reservations`: purchases of one hot tenant a second, by the way its quota is reserved; and listings.

Every way is one transaction that writes a row and commits it to the disk, from as many connections; the rounds of all
ways take turns. The floor reserves nothing. The usual way is one conditional UPDATE of one counter.
"""

import argparse
import asyncio
import time
from statistics import median

import asyncpg

from service.embedded import EmbeddedPostgres, temporary_data_dir
from service.migrations import migrate
from tests.bench.listings import measure

OTHERS = 64
AS_TENANT = "SELECT set_config('numbergate.tenant_id', '%s', true)"
ROW = "INSERT INTO audit (tenant_id, actor, action, object_kind, object_id) VALUES ('hot', 'a', 'b', 'c', 'd')"
PLAIN = "UPDATE bench_quota SET reserved = reserved + 1 WHERE id = 'hot' AND used + reserved < 1e9 RETURNING reserved"
OURS = "SELECT reserve_quota('hot', 'org', 'user', gen_random_uuid(), 1, clock_timestamp())"
LOCKED = "SELECT pg_advisory_xact_lock(1), (SELECT reserved FROM bench_quota WHERE id = 'hot')"
WAYS = {
    "floor: no quota": ROW,
    "conditional UPDATE of one counter": f"WITH written AS ({ROW} RETURNING 1) {PLAIN}",
    "advisory lock, then read and write": f"{LOCKED}; {PLAIN}; {ROW}",
    "ours, the tenant's row": f"{AS_TENANT % 'hot'}; {ROW}; {OURS}",
    "ours, with limits of the user and the organisation": f"{AS_TENANT % 'hot'}; {ROW}; {OURS}",
    "ours, each purchase another tenant's": f"{AS_TENANT % 'cold-%d'}; {ROW}; " + OURS.replace("'hot'", "'cold-%d'"),
}
SCHEMA = """
    CREATE TABLE bench_quota (id text PRIMARY KEY, used bigint DEFAULT 0, reserved bigint DEFAULT 0)
      WITH (fillfactor = 50);
    INSERT INTO bench_quota (id) VALUES ('hot');
    INSERT INTO quotas (tenant_id, numbers_held, purchases_per_month) VALUES ('hot', 1000000000, 1000000000);
    INSERT INTO quotas (tenant_id, numbers_held) SELECT 'cold-' || n, 1000000000 FROM generate_series(0, 63) n;
"""
OTHER_SCOPES = """
    INSERT INTO quotas (scope, organization_id, user_id, numbers_held)
      VALUES ('user', 'org', 'user', 1000000000), ('organization', 'org', '', 1000000000)
"""


def parser_into(parser: argparse.ArgumentParser) -> None:
    parser.description = __doc__
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--numbers", type=int, default=1_000_000, help="that are listed; 0 is no listings")
    parser.add_argument("--listings-only", action="store_true")


async def reservations(asked: argparse.Namespace) -> None:
    if not asked.listings_only:
        await purchases(asked)
    if asked.numbers:
        with temporary_data_dir() as data:
            async with EmbeddedPostgres(data, fast=True) as postgres:
                await migrate(postgres.superuser_url())
                await measure(postgres.superuser_url(), asked.numbers)


async def purchases(asked: argparse.Namespace) -> None:
    with temporary_data_dir() as data:
        async with EmbeddedPostgres(data) as postgres:
            url = postgres.superuser_url()
            await migrate(url)
            async with asyncpg.create_pool(url, min_size=asked.connections, max_size=asked.connections) as pool:
                await pool.execute(SCHEMA)
                found: dict[str, list[float]] = {way: [] for way in WAYS}
                for _ in range(asked.rounds):
                    for way, statements in WAYS.items():
                        limited = "limits of the user" in way
                        await pool.execute(OTHER_SCOPES if limited else "SELECT")
                        found[way].append(await commits_a_second(pool, statements, asked.seconds, asked.connections))
                        await pool.execute("DELETE FROM quotas WHERE scope <> 'tenant'" if limited else "SELECT")
    floor, usual = (median(found[way]) for way in list(WAYS)[:2])
    print(f"{asked.connections} connections, {asked.rounds} rounds of {asked.seconds:g} s, medians")
    for way, rates in found.items():
        rate = median(rates)
        print(f"{way:52} {rate:7.0f} a second, {rate / floor:5.2f} of the floor, {rate / usual:5.2f} of the usual way")


async def commits_a_second(
    pool: "asyncpg.Pool[asyncpg.Record]", statements: str, seconds: float, callers: int
) -> float:
    until = time.monotonic() + seconds

    async def call(number: int) -> int:
        done = 0
        async with pool.acquire() as connection:
            while time.monotonic() < until:
                await connection.execute(statements.replace("%d", str(number % OTHERS)))
                done += 1
        return done

    return sum(await asyncio.gather(*(call(number) for number in range(callers)))) / seconds
