"""Numbers of events on a real Postgres: each once, without gaps, never below one that somebody may have read."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any, TypeAlias

import asyncpg
import pytest

from service.db import Database, open_database
from service.kit.crypto import Secret
from service.kit.pagination import Cursors
from service.observability.metrics import EVENTS_LAG
from service.outbox.feed import Feed
from service.outbox.numbering import Numbering

ROW = "INSERT INTO outbox (tenant_id, kind, payload) VALUES ($1, $2, '{}')"
DAY = timedelta(days=1)
Connection: TypeAlias = "asyncpg.Connection[Any]"


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, "numbergate_worker", pool=4)
    yield database
    await database.engine.dispose()


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, "numbergate_api", pool=4)
    yield database
    await database.engine.dispose()


@pytest.fixture
def feed(api: Database) -> Feed:
    return Feed(api, Cursors(Secret("s" * 32)), lambda until: 0.0, kept=DAY)


@pytest.fixture
async def numbering(worker: Database) -> Numbering:
    return Numbering(worker, kept=DAY, batch=7)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def finish(numbering: Numbering) -> None:
    while await numbering.number():
        continue


async def write(connection: Connection, *kinds: str, tenant: str = "one") -> None:
    for kind in kinds:
        await connection.execute(ROW, tenant, kind)


async def order(owner: Connection, tenant: str = "one") -> list[tuple[int, str]]:
    rows = await owner.fetch("SELECT seq, kind FROM outbox WHERE tenant_id = $1 AND seq > 0 ORDER BY seq", tenant)
    return [(row["seq"], row["kind"]) for row in rows]


async def test_whoever_reads_on_misses_nothing_that_is_committed_late(
    database_url: str, numbering: Numbering, owner: Connection, feed: Feed
):
    slow = await asyncpg.connect(database_url)
    lasting = slow.transaction()
    await lasting.start()
    await write(slow, "slow.first")
    await write(owner, *(f"quick.{number}" for number in range(20)))
    await finish(numbering)
    page = await feed.page("one", None, limit=100, cursor=None)
    assert [one["type"] for one in page.items] == [f"quick.{number}" for number in range(20)]

    await lasting.commit()
    await write(owner, "after.it")
    await finish(numbering)
    await slow.close()

    rest = await feed.page("one", None, limit=100, cursor=page.next_cursor)
    assert [(one["sequence"], one["type"]) for one in rest.items] == [(21, "slow.first"), (22, "after.it")]


async def test_each_tenant_counts_for_itself_and_what_was_rolled_back_leaves_no_gap(
    numbering: Numbering, owner: Connection
):
    await write(owner, "a.one")
    undone = owner.transaction()
    await undone.start()
    await write(owner, "never.told")
    await undone.rollback()
    await write(owner, "b.one", tenant="two")
    await write(owner, "a.two")
    await finish(numbering)

    assert await order(owner) == [(1, "a.one"), (2, "a.two")]
    assert await order(owner, "two") == [(1, "b.one")]


async def test_events_of_one_number_stay_in_order_whoever_writes_reads_and_numbers_beside(
    database_url: str, worker: Database, owner: Connection, feed: Feed
):
    """Writers hold their number's row as every change does, and linger; several workers number; a reader reads on."""
    await owner.execute("CREATE TABLE IF NOT EXISTS test_rows (id integer PRIMARY KEY, step integer)")
    await owner.execute("TRUNCATE test_rows")
    await owner.execute("INSERT INTO test_rows SELECT n, 0 FROM generate_series(1, 4) n")
    random = Random(7)
    writing = True

    async def writer() -> None:
        connection = await asyncpg.connect(database_url)
        for _ in range(40):
            async with connection.transaction():
                await connection.execute("SELECT pg_current_xact_id()")  # Its place among transactions is taken early.
                await asyncio.sleep(random.random() / 300)
                which = random.randint(1, 4)
                step = await connection.fetchval(
                    "UPDATE test_rows SET step = step + 1 WHERE id = $1 RETURNING step", which
                )
                await write(connection, f"n{which}.{step}")
                await asyncio.sleep(random.random() / 300)
        await connection.close()

    async def number(numbering: Numbering) -> None:
        while writing:
            await numbering.number()
            await asyncio.sleep(random.random() / 200)

    async def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while writing or len(found) < 200:
            page = await feed.page("one", None, limit=9, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            await asyncio.sleep(0)
        return found

    numbers = [asyncio.create_task(number(Numbering(worker, kept=DAY, batch=batch))) for batch in (3, 50)]
    reading = asyncio.create_task(read())
    await asyncio.gather(*(writer() for _ in range(5)))
    writing = False
    await asyncio.gather(*numbers)
    await finish(Numbering(worker, kept=DAY))
    async with asyncio.timeout(60):
        found = await reading

    assert [one["sequence"] for one in found] == list(range(1, 201))
    for which in range(1, 5):
        steps = [int(one["type"].split(".")[1]) for one in found if one["type"].startswith(f"n{which}.")]
        assert steps == list(range(1, len(steps) + 1))
    await owner.execute("DROP TABLE test_rows")


async def test_two_workers_do_not_number_at_once(database_url: str, numbering: Numbering, owner: Connection):
    await write(owner, *(f"a.{number}" for number in range(30)))
    other = await asyncpg.connect(database_url)
    async with other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('numbergate event numbers'))")
        assert await numbering.number() is False
        assert await order(owner) == []
    await other.close()
    await finish(numbering)
    assert [seq for seq, _ in await order(owner)] == list(range(1, 31))


async def test_how_long_events_wait_is_measured(numbering: Numbering, owner: Connection):
    await write(owner, "a.one")
    await owner.execute("UPDATE outbox SET at = at - interval '1 minute'")
    await numbering.measure()
    assert EVENTS_LAG._value.get() >= 60
    await finish(numbering)
    await numbering.measure()
    assert EVENTS_LAG._value.get() == 0


async def test_events_are_forgotten_oldest_first_and_without_a_gap(
    numbering: Numbering, owner: Connection, worker: Database
):
    await write(owner, *(f"a.{number}" for number in range(20)), tenant="one")
    await write(owner, *(f"b.{number}" for number in range(3)), tenant="two")
    await finish(numbering)
    # The clock was set back meanwhile: what comes before the oldest that is kept goes with the rest.
    await owner.execute("UPDATE outbox SET published_at = published_at - interval '2 days' WHERE seq IN (2, 12)")
    await write(owner, "a.waits")
    await numbering.prune()

    assert [seq for seq, _ in await order(owner)] == list(range(13, 21))
    assert [seq for seq, _ in await order(owner, "two")] == [3]
    heads = await owner.fetch("SELECT tenant_id, seq, pruned FROM event_heads ORDER BY tenant_id")
    assert [tuple(row) for row in heads] == [("one", 20, 12), ("two", 3, 2)]
    assert await owner.fetchval("SELECT count(*) FROM outbox WHERE seq IS NULL") == 1
    await finish(numbering)
    assert (await order(owner))[-1] == (21, "a.waits")


async def test_a_tenant_all_of_whose_events_are_forgotten_counts_on(numbering: Numbering, owner: Connection):
    await write(owner, "a.one", "a.two")
    await finish(numbering)
    await owner.execute("UPDATE outbox SET published_at = published_at - interval '2 days'")
    await numbering.prune()
    assert await order(owner) == []
    await write(owner, "a.three")
    await finish(numbering)
    assert await order(owner) == [(3, "a.three")]
