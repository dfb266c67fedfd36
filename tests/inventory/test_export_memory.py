"""Many rows take no more memory than few: measured in a process of its own, whose memory is nothing else's."""

import json
import subprocess
import sys
from collections.abc import Callable

import asyncpg
import pytest

from tests.conftest import Engines, fresh_database

# The fewer fill a group of Parquet's rows, too.
ROWS, MORE = 60_000, 240_000
# Megabytes; the larger export is 78, 119 and, before it is Parquet, 90.
MOST = {"csv": 12, "ndjson": 12, "parquet": 45}
PROGRAM = """
import asyncio, json, sys
from resource import RUSAGE_SELF, getrusage

from service.db import open_database
from service.exports.exports import ExportLimits, Exports
from service.exports.formats import FORMATS
from service.inventory.filters import Filters
from service.inventory.repository import everything
from service.tenants.visible import Visible
from service.inventory.sorting import Sort
from service.observability.logs import configure_logs

async def main(url, name):
    configure_logs()
    database = open_database(url, "numbergate_api", pool=2, statement_timeout=600)
    exports = Exports(database, ExportLimits(600, 1 << 32))
    [wanted] = [one for one in FORMATS.values() if one.name == name]
    for user in ("few", "many"):
        query = everything(Filters(user_id=user), Visible(None, ("*",)), Sort())
        made = await exports.make(
            query, wanted, whose="test", acting=lambda one: one.acting(duty="admin", sees=("*",))
        )
        size = 0
        async for piece in made.spool.pieces():
            size += len(piece)
        print(json.dumps([made.rows, size, getrusage(RUSAGE_SELF).ru_maxrss / 1024]))
        made.close()
    await database.engine.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", MOST)
async def test_memory_does_not_grow_with_the_rows(
    engines: Engines, template: str, name: str, record_property: Callable[[str, object], None]
):
    async with fresh_database(engines, template) as url:
        await fill_large(url)
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, url, name], capture_output=True, text=True, check=True, timeout=500
        )
    [(few, _, before), (many, size, after)] = [json.loads(line) for line in ended.stdout.splitlines()[-2:]]

    assert (few, many) == (ROWS, MORE)
    record_property("told", f"{name}: {size >> 20} MB of {many} rows, {after - before:.1f} MB more than for {few}")
    assert after - before < MOST[name]


async def fill_large(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO accounts (id, name, base_url, teli_tenant_id) SELECT gen_random_uuid(), 'default', 'http://x', 'x'"
    )
    await connection.execute(
        f"""
        INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,
                             state, intent_id, mark, acquired_at, nickname, tags)
        SELECT gen_random_uuid(), 'tenant', a.id, 'organization', CASE WHEN n <= {ROWS} THEN 'few' ELSE 'many' END,
               '+1' || (2000000000 + n), '', '313', 'active', gen_random_uuid(), '',
               timestamptz '2026-01-01Z' + make_interval(secs => n), md5(n::text) || repeat('é', 60),
               ARRAY[md5('a' || n), md5('b' || n)]
        FROM generate_series(1, {ROWS + MORE}) n, accounts a
        """
    )
    await connection.execute("ANALYZE numbers")
    await connection.close()
