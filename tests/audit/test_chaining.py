"""The worker's chain on a real Postgres: every row once, in the order of commit, whatever runs beside it or dies."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from service.audit import chaining
from service.audit.chain import Verification
from service.audit.chaining import Chaining
from service.audit.log import links, unchained
from service.db import Database, open_database
from service.observability.metrics import AUDIT_HEAD, AUDIT_LAG, AUDIT_WAITING

ROW = """INSERT INTO audit (actor, action, object_kind, object_id, after)
         VALUES ('a', $1, 'c', 'd', '{"rate": 1.50, "name": "é😀\\n", "none": null}') RETURNING id"""


@pytest.fixture
async def worker(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url, "numbergate_worker", pool=4)
    yield database
    await database.engine.dispose()


@pytest.fixture
async def chain(worker: Database) -> Chaining:
    return Chaining(worker, batch=7)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A superuser: whom nothing in the database can hold."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def finish(chain: Chaining) -> None:
    while await chain.chain():
        continue


async def order(owner: "asyncpg.Connection[Any]") -> list[str]:
    """The actions of all chained rows, in the order of the chain."""
    rows = await owner.fetch("SELECT a.action FROM audit_chain c JOIN audit a ON a.id = c.audit_id ORDER BY c.seq")
    return [row["action"] for row in rows]


async def verify(worker: Database, *heads: tuple[int, bytes]) -> Verification:
    verification = Verification(heads={seq: frozenset([digest]) for seq, digest in heads})
    async for link in links(worker):
        verification.take(link)
    verification.finish()
    found = await unchained(worker)
    if found.first_passed is not None:
        verification.bypassed(found.first_passed, found.passed)
    return verification


async def write(owner: "asyncpg.Connection[Any]", *actions: str) -> list[int]:
    return [await owner.fetchval(ROW, action) for action in actions]


async def test_rows_are_chained_in_the_order_of_commit_and_none_waits_for_a_transaction_that_lasts(
    database_url: str, worker: Database, chain: Chaining, owner: "asyncpg.Connection[Any]"
):
    await write(owner, "before")
    await finish(chain)
    slow = await asyncpg.connect(database_url)
    lasting = slow.transaction()
    await lasting.start()
    await write(slow, "slow, first")
    await write(owner, *(f"quick {number}" for number in range(20)))

    await finish(chain)
    assert await order(owner) == ["before", *(f"quick {number}" for number in range(20))]
    await write(slow, "slow, second")
    await lasting.commit()
    await slow.close()
    await write(owner, "after")
    await finish(chain)

    assert (await order(owner))[21:] == ["slow, first", "slow, second", "after"]
    found = await verify(worker)
    assert (found.faults, found.checked) == ([], 24)


async def test_rows_of_before_there_was_a_chain_come_first_by_their_ids(
    worker: Database, chain: Chaining, owner: "asyncpg.Connection[Any]"
):
    await write(owner, *(str(number) for number in range(40)))
    await owner.execute("UPDATE audit SET xid = NULL")
    for _ in range(3):  # The worker is killed halfway, and another begins.
        await chain.chain()
    other = Chaining(worker, batch=9)
    await write(owner, "new")
    await finish(other)

    assert await order(owner) == [*(str(number) for number in range(40)), "new"]
    assert (await verify(worker)).faults == []


async def test_a_row_that_was_rolled_back_leaves_no_gap(
    worker: Database, chain: Chaining, owner: "asyncpg.Connection[Any]"
):
    undone = owner.transaction()
    await undone.start()
    await write(owner, "never")
    await undone.rollback()
    await write(owner, "one", "two")
    await finish(chain)

    assert await order(owner) == ["one", "two"]
    assert (await verify(worker)).head[0] == 2


async def test_several_workers_and_many_writers_make_one_chain_of_every_row(
    database_url: str, worker: Database, owner: "asyncpg.Connection[Any]"
):
    chance = Random(1)

    async def writer(name: int) -> None:
        connection = await asyncpg.connect(database_url)
        for turn in range(12):
            async with connection.transaction():
                await write(connection, *(f"{name}.{turn}.{place}" for place in range(chance.randrange(1, 4))))
                await asyncio.sleep(0)
        await connection.close()

    writing = asyncio.gather(*(writer(name) for name in range(4)))
    workers = [Chaining(worker, batch=5) for _ in range(3)]
    while not writing.done():
        await asyncio.gather(*(one.chain() for one in workers))
    await writing
    await finish(workers[0])

    chained = await order(owner)
    assert len(chained) == await owner.fetchval("SELECT count(*) FROM audit") == len(set(chained))
    for name in range(4):
        own = [tuple(map(int, action.split("."))) for action in chained if action.startswith(f"{name}.")]
        assert own == sorted(own), "what one writer committed is chained in that order"
    assert (await verify(worker)).faults == []


async def test_after_a_restore_into_another_cluster_nothing_is_left_out(
    worker: Database, chain: Chaining, owner: "asyncpg.Connection[Any]"
):
    await write(owner, *(f"kept {number}" for number in range(10)))
    await finish(chain)
    await write(owner, "waiting")
    # As a dump restored elsewhere has it: transactions whose numbers lie ahead, and snapshots that mean nothing here.
    await owner.execute("UPDATE audit SET xid = xid + 1000000000")
    await owner.execute("UPDATE audit_progress SET system_id = 1, done = '2000000000:2000000000:'")
    assert (await unchained(worker)).passed == 0
    await write(owner, "new")
    await finish(chain)
    await write(owner, "newer")
    await finish(chain)

    assert (await order(owner))[10:] == ["waiting", "new", "newer"]
    assert (await verify(worker)).faults == []


async def test_the_head_goes_to_the_log_now_and_then_and_to_the_metrics(
    worker: Database, chain: Chaining, owner: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
):
    now = 1000.0
    monkeypatch.setattr(chaining, "monotonic", lambda: now)
    await write(owner, "one")
    await chain.measure()
    assert (AUDIT_WAITING._value.get(), AUDIT_LAG._value.get() > 0) == (1, True)
    with capture_logs() as told:
        await finish(chain)
        await write(owner, "two")
        await finish(chain)
        now += chaining.HEADS_EVERY
        await finish(chain)
        now += chaining.HEADS_EVERY
        await finish(chain)
    await chain.measure()

    heads = [(event["seq"], event["hash"]) for event in told if event["event"] == "audit head"]
    assert [seq for seq, _ in heads] == [1, 2]
    assert (await verify(worker, *((seq, bytes.fromhex(digest)) for seq, digest in heads))).heads_met == 2
    assert (AUDIT_WAITING._value.get(), AUDIT_LAG._value.get(), AUDIT_HEAD._value.get()) == (0, 0, 2)


# What somebody with every right over the database does, the fault that is found, and at which place.
TAMPERINGS: dict[str, tuple[tuple[str, ...], str, int | None]] = {
    "a member edited": (("UPDATE audit SET actor = 'nobody' WHERE id = 4",), "edited", 4),
    "a digit of a number": (
        ("UPDATE audit SET after = jsonb_set(after, '{rate}', '1.5000001') WHERE id = 4",),
        "edited",
        4,
    ),
    "a microsecond": (("UPDATE audit SET at = at + interval '1 microsecond' WHERE id = 4",), "edited", 4),
    "null made an empty object": (("UPDATE audit SET before = '{}' WHERE id = 4",), "edited", 4),
    "a row deleted": (("DELETE FROM audit WHERE id = 4",), "deleted", 4),
    "a row and its link deleted": (
        ("DELETE FROM audit WHERE id = 4", "DELETE FROM audit_chain WHERE seq = 4"),
        "unlinked",
        4,
    ),
    "the rows of two links swapped": (
        (
            "UPDATE audit_chain SET audit_id = -audit_id WHERE seq IN (4, 8)",
            "UPDATE audit_chain SET audit_id = 12 + audit_id WHERE audit_id < 0",
        ),
        "swapped",
        4,
    ),
    "links cut off at the end": (("DELETE FROM audit_chain WHERE seq > 5",), "bypassed", None),
    "a row written around the chain": (("UPDATE audit SET xid = 3 WHERE id = 13",), "bypassed", None),
    "everything cut off at the end": (
        ("DELETE FROM audit_chain WHERE seq > 5", "DELETE FROM audit WHERE id > 5"),
        "truncated",
        6,
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_what_a_superuser_does_to_the_tables_is_found(
    worker: Database, chain: Chaining, owner: "asyncpg.Connection[Any]", name: str
):
    await write(owner, *(str(number) for number in range(12)))
    await finish(chain)
    head = await owner.fetchrow("SELECT seq, hash FROM audit_chain ORDER BY seq DESC LIMIT 1")
    await write(owner, "waiting")
    assert (await verify(worker, tuple(head))).faults == []

    statements, kind, seq = TAMPERINGS[name]
    await owner.execute("; ".join(statements))

    found = await verify(worker, *([tuple(head)] if kind == "truncated" else []))
    assert found.faults, "nothing was found"
    assert (found.faults[0].kind, found.faults[0].seq) == (kind, seq), found.faults


async def test_a_whole_chain_written_anew_is_found_by_a_head_that_was_kept(
    worker: Database, chain: Chaining, owner: "asyncpg.Connection[Any]"
):
    await write(owner, *(str(number) for number in range(12)))
    await finish(chain)
    head = await owner.fetchrow("SELECT seq, hash FROM audit_chain WHERE seq = 9")
    await owner.execute(
        "UPDATE audit SET actor = 'nobody' WHERE id = 4; DELETE FROM audit_chain; DELETE FROM audit_progress"
    )
    await finish(chain)  # By the worker's own hand.

    assert (await verify(worker)).faults == [], "in itself it is a good chain"
    [fault] = (await verify(worker, tuple(head))).faults
    assert (fault.kind, fault.seq) == ("rewritten", 9)
