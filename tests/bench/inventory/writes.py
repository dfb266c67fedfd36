"""What the indexes that only searches need cost a purchase and a change: the same writes with them and without."""

import time
from typing import Any

import asyncpg

# What purchases, releases and listings in Teli's shape need, and any ledger has.
LEDGER = {
    "numbers_pkey", "one_live_acquisition", "one_owner_of_a_row", "numbers_of_tenant", "numbers_unconfirmed",
    "numbers_of_tenant_held_by_age", "numbers_of_organization_held_by_age", "numbers_of_owner",
    "numbers_by_number",
}  # fmt: skip
INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'numbers'::regclass AND indislive ORDER BY 1
"""
OTHERS = (
    "tenant_id, account_id, organization_id, user_id, holder_user_id, pretty, area_code, number_type, nickname,"
    " cost_center, tags, mark, marked, confirmed_at, subscription_id, upstream_nickname, released_at,"
    " last_inbound_call_at, idle_since"
)
# As others that are there, anywhere in the tables, but for what no two numbers share.
INSERT = f"""
    INSERT INTO numbers ({OTHERS}, id, phone_number, state, acquired_at, upstream_row_id)
    SELECT {OTHERS}, gen_random_uuid(), '+1999' || lpad(row_number() OVER ()::text, 7, '0'), 'active',
           clock_timestamp(), gen_random_uuid()
    FROM kept
"""
UPDATE = """
    UPDATE numbers SET nickname = 'Called anew ' || left(id::text, 8), upstream_nickname = nickname
    WHERE id = ANY ($1)
"""


async def writes(url: str, rows: int, rounds: int) -> list[dict[str, Any]]:
    """Microseconds that a row takes, in a transaction that is rolled back, of which there are two and two by turns."""
    connection = await asyncpg.connect(url)
    try:
        indexes = {index for (index,) in await connection.fetch(INDEXES)}
        searches = sorted(indexes - LEDGER)
        await connection.execute("SET session_replication_role = replica")
        # In the order of a digest, which is none.
        await connection.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM numbers ORDER BY id LIMIT {rows}")
        chosen = [row["id"] for row in await connection.fetch("SELECT id FROM kept")]
        taken: dict[tuple[str, bool], list[float]] = {}
        for _ in range(rounds):
            for name, statement, arguments in (("bought", INSERT, ()), ("renamed", UPDATE, (chosen,))):
                for with_searches in (True, False):
                    transaction = connection.transaction()
                    await transaction.start()
                    if searches and not with_searches:
                        await connection.execute(f"DROP INDEX {', '.join(searches)}")
                    began = time.perf_counter()
                    await connection.execute(statement, *arguments)
                    taken.setdefault((name, with_searches), []).append((time.perf_counter() - began) / rows)
                    await transaction.rollback()
        await connection.execute("VACUUM (INDEX_CLEANUP ON) numbers")
    finally:
        await connection.close()
    told = []
    for name in ("bought", "renamed"):
        held, free = (1e6 * sorted(taken[name, way])[rounds // 2] for way in (True, False))
        told.append({
            "write": name, "indexes": len(indexes), "of them for searches": searches, "with": round(held, 1),
            "without": round(free, 1), "ratio": round(held / free, 2),
        })  # fmt: skip
        print(f"a number {name}: {held:.1f} us with {len(indexes)} indexes, {free:.1f} without {len(searches)} of them")
    return told
