"""A bulk release whose worker dies on the way, by SIGKILL: every number that was shown is given back, and no other."""

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.chaos.stage import TIMES, Stage, stage
from tests.conftest import Engines
from tests.orders.desk import RELEASE, applied, named, order, preview, stocked
from tests.simulator.program import Simulator

pytestmark = pytest.mark.processes

SETTLING_WINDOW = 6.0
# So long that some are always under way when a worker dies.
UNDER_WAY_MS = 100
# Nobody sweeps meanwhile, and no request is given up because the machine is busy.
UNHURRIED = TIMES | {
    "NUMBERGATE_UPSTREAM_TIMEOUT": "5",
    "NUMBERGATE_SETTLING_WINDOW": str(SETTLING_WINDOW),
    "NUMBERGATE_WRITE_OFF": "7",
    "NUMBERGATE_SWEEP_INTERVAL": "3600",
    "NUMBERGATE_MARK_KEEP": "3600",
}


@pytest.mark.ci
@pytest.mark.timeout(300)
async def test_a_worker_killed_twice_gives_back_what_was_shown(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    await gives_back(engines, template, teli_process, record_property, numbers=300, kills=2)


@pytest.mark.full
@pytest.mark.timeout(3600)
async def test_a_worker_killed_five_times_gives_back_ten_thousand(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    await gives_back(engines, template, teli_process, record_property, numbers=10_000, kills=5)


async def gives_back(
    engines: Engines, template: str, simulator: Simulator, record_property: Any, *, numbers: int, kills: int
) -> None:
    async with (
        stage(engines, template, simulator, times=UNHURRIED) as opened,
        httpx.AsyncClient(base_url=opened.api.url, timeout=60, verify=False, trust_env=False) as http,
    ):
        tenant = await opened.tenant(http, quota=2 * numbers)
        where = {"organization": opened.organization, "user": opened.user}
        meant = await stocked(opened.teli, opened.sql, tenant.id, numbers, **where)
        others = await stocked(opened.teli, opened.sql, tenant.id, 20, **where)
        shown = await preview(tenant, {"phone_numbers": meant}, RELEASE)
        assert shown["count"] == numbers
        await opened.sql("UPDATE numbers SET nickname = 'kept' WHERE phone_number = $1", meant[-1])

        began = asyncio.get_running_loop().time()
        await opened.teli.switch(latency_ms={"release": UNDER_WAY_MS})
        await applied(tenant, shown)
        for kill in range(1, kills + 1):
            await until_amid(opened, kill * numbers // (kills + 1))
            opened.worker.process.kill()
            await opened.worker.process.wait()
            await opened.worker.start()
        await until_over(opened)
        await opened.teli.switch(latency_ms={})
        seconds = asyncio.get_running_loop().time() - began

        told = await order(tenant, shown["order_id"])
        assert told["counts"] == {"done": numbers - 1, "skipped": 1}
        held = set((await opened.teli.truth())["carrier"]["held"])
        assert held & {*meant, *others} == {meant[-1], *others}
        repeated = await check_deletes(opened, meant[:-1], others)
        await check_ledger(opened, others)
        record_property(
            "told",
            f"bulk release of {numbers}, worker killed {kills} times: {seconds:.0f} s, {repeated} DELETEs sent again",
        )


async def check_deletes(opened: Stage, meant: list[str], others: list[str]) -> int:
    """Each was sent; again only after the settling window, and after a look. Returns how many were sent again."""
    sent: defaultdict[str, list[datetime]] = defaultdict(list)
    for one in await opened.teli.requests("release"):
        sent[named(one)].append(datetime.fromisoformat(one["received_at"]))
    looks = [datetime.fromisoformat(one["received_at"]) for one in await opened.teli.requests("list")]
    assert not sent.keys() & set(others)
    repeated = 0
    for number in meant:
        first, *again = sent[number]
        for later in again:
            assert (later - first).total_seconds() >= SETTLING_WINDOW
            assert any(first < look < later for look in looks), "it was sent again and not looked for"
            first = later
        repeated += len(again)
    return repeated


async def check_ledger(opened: Stage, others: list[str]) -> None:
    """One step, one entry of each kind and one event for each number; those that are done are released."""
    steps = await opened.sql("SELECT count(*), count(DISTINCT number_id) FROM steps WHERE kind = 'release'")
    begun = await opened.sql("SELECT count(*), count(DISTINCT step_id) FROM order_items WHERE step_id IS NOT NULL")
    noted = await opened.sql("SELECT count(*), count(DISTINCT object_id) FROM audit WHERE action = 'number.releasing'")
    heard = await opened.sql("SELECT count(*), count(DISTINCT number_id) FROM outbox WHERE kind = 'number.releasing'")
    assert steps == begun == noted == heard
    assert steps[0][0] == steps[0][1]
    wrong = await opened.sql(
        "SELECT i.outcome, n.state FROM order_items i JOIN numbers n ON n.id = i.number_id WHERE (i.outcome, n.state)"
        " NOT IN (('done', 'released'), ('skipped', 'active'))"
    )
    assert wrong == []
    kept = await opened.sql("SELECT DISTINCT state FROM numbers WHERE phone_number = ANY($1)", others)
    assert kept == [("active",)]


async def until_amid(opened: Stage, count: int) -> None:
    """Until so many are done, and others have left for Teli whose answer is not there."""
    amid = (
        "SELECT FROM steps WHERE state = 'running' AND sent_at IS NOT NULL"
        " AND (SELECT count(*) FROM order_items WHERE outcome = 'done') >= $1"
    )
    async with asyncio.timeout(900):
        while not await opened.sql(amid, count):
            await asyncio.sleep(0.02)


async def until_over(opened: Stage) -> None:
    async with asyncio.timeout(900):
        while await opened.sql("SELECT 1 FROM orders WHERE ended_at IS NULL"):
            await asyncio.sleep(0.1)
