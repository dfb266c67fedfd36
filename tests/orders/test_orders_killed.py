"""Orders whose workers die on the way, by SIGKILL: as many numbers as were ordered are bought, and no other."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.chaos.stage import TIMES, Stage, stage
from tests.conftest import Engines
from tests.orders.desk import order, wanted
from tests.simulator.control import SimulatorControl
from tests.simulator.program import Simulator
from tests.support.gateway import Tenant

pytestmark = pytest.mark.processes

# What a worker leaves when it dies is in doubt until its lease is over, and then is looked for. Who buys one by one is
# as patient as anybody who says nothing of it: how long it took is told, and fails nothing.
HURRIED = TIMES | {
    "NUMBERGATE_UPSTREAM_TIMEOUT": "3",
    "NUMBERGATE_ANSWER_WITHIN": "20",
    "NUMBERGATE_SETTLING_WINDOW": "4",
    "NUMBERGATE_WRITE_OFF": "60",
}


# Of thousands of numbers, whole listings and marks taken off within a second would be all that a worker does.
CALMER = HURRIED | {
    "NUMBERGATE_RESOLVE_INTERVAL": "2",
    "NUMBERGATE_SWEEP_INTERVAL": "60",
    "NUMBERGATE_MARK_KEEP": "86400",
}


@pytest.mark.ci
@pytest.mark.timeout(300)
async def test_an_order_whose_workers_are_killed_buys_exactly_what_it_says(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    chance = random.Random(8)
    async with (
        emptied(teli_process),
        stage(engines, template, teli_process, times=HURRIED) as opened,
        httpx.AsyncClient(base_url=opened.api.url, timeout=60, verify=False, trust_env=False) as http,
    ):
        tenant = await opened.tenant(http, quota=30)
        body = wanted(30, user_id=opened.user, organization_id=opened.organization, fulfilment="best_effort")
        placed = await tenant.send("POST", "/v1/orders", json=body)
        assert placed.status_code == 202, placed.text
        await opened.teli.switch(latency_ms={"create": 150})
        kills = 0
        while kills < 5:
            await asyncio.sleep(chance.uniform(0.2, 0.8))
            opened.worker.process.kill()
            await opened.worker.process.wait()
            await opened.worker.start()
            kills += 1
        await until_over(opened)

        told = await order(tenant, placed.json()["order_id"])
        assert (told["state"], told["counts"]) == ("completed", {"done": 30})
        assert len(await opened.teli.purchases()) == 30
        [quota] = await opened.sql(
            "SELECT q.used, q.reserved, q.ordered, to_jsonb(q) = to_jsonb(c) FROM quotas q, LATERAL counted(q) c"
            " WHERE q.tenant_id = $1",
            tenant.id,
        )
        assert tuple(quota) == (30, 0, 0, True)
        decided = await opened.sql("SELECT decision, count(*) FROM intents GROUP BY 1 ORDER BY 2 DESC")
        how = ", ".join(f"{count} {decision}" for decision, count in decided)
        record_property("told", f"order of 30, worker killed {kills} times; decided by {how}")


@dataclass(frozen=True)
class Load:
    """So many `numbers` ordered by so many tenants, each its part, by an account that may send `slots` at a time."""

    numbers: int
    tenants: int = 20
    slots: int = 8
    kills: int = 3
    # Of a create at Teli.
    takes_ms: int = 100
    times: Mapping[str, str] = field(default_factory=lambda: HURRIED)


@pytest.mark.ci
@pytest.mark.timeout(600)
async def test_twenty_tenants_order_two_hundred_while_others_buy_one_by_one(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    await ordered_by_many(engines, template, teli_process, record_property, Load(200))


@pytest.mark.full
@pytest.mark.timeout(9000)
async def test_twenty_tenants_order_five_thousand_while_others_buy_one_by_one(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    await ordered_by_many(engines, template, teli_process, record_property, Load(5_000, kills=20, times=CALMER))


async def ordered_by_many(
    engines: Engines, template: str, simulator: Simulator, record_property: Any, load: Load
) -> None:
    """Two workers, killed by turns; exactly what was ordered is bought, every tenant has its share at half-time, and
    Teli never has more at a time than the account may send.
    """
    chance = random.Random(20)
    async with (
        emptied(simulator),
        stage(engines, template, simulator, times=load.times, workers=2) as opened,
        httpx.AsyncClient(base_url=opened.api.url, timeout=60, verify=False, trust_env=False) as http,
    ):
        await opened.sql("DELETE FROM send_slots WHERE slot > $1", load.slots)
        await opened.sql("UPDATE accounts SET mode = 'mark'")
        await opened.teli.switch(latency_ms={"create": load.takes_ms})
        each = load.numbers // load.tenants
        tenants = [await opened.tenant(http, quota=each) for _ in range(load.tenants)]
        single = await opened.tenant(http, quota=100_000)
        quiet = [await buys_one(single, opened) for _ in range(20)]
        await opened.teli.forget_requests()

        began = time.monotonic()
        body = wanted(each, user_id=opened.user, organization_id=opened.organization)
        placed = [await one.send("POST", "/v1/orders", json=body) for one in tenants]
        assert {one.status_code for one in placed} == {202}
        busy: list[float] = []
        shares: list[int] = []
        killing = asyncio.create_task(kill_by_turns(opened, load.kills, chance))
        async with asyncio.timeout(7200):
            while await opened.sql("SELECT 1 FROM orders WHERE ended_at IS NULL LIMIT 1"):
                busy.append(await buys_one(single, opened))
                done = await opened.sql(
                    "SELECT count(*) FILTER (WHERE outcome = 'done') FROM order_items GROUP BY tenant_id"
                )
                if not shares and sum(count for (count,) in done) >= load.numbers / 2:
                    shares = [count for (count,) in done]
                await asyncio.sleep(0.2)
        await killing
        took = time.monotonic() - began

        # A worker may die between the admission of a purchase and its request: then nobody can know that nothing was
        # bought, so it is not bought again. A person is told, and when it was absent for long it is written off.
        left_over = await opened.sql("SELECT count(*) FROM order_items WHERE outcome = 'unresolved'")
        async with asyncio.timeout(600):
            while await opened.sql("SELECT 1 FROM order_items WHERE outcome NOT IN ('done', 'failed') LIMIT 1"):
                await asyncio.sleep(0.5)
            await until_over(opened)
        counts: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        for tenant, answer in zip(tenants, placed, strict=True):
            told = await order(tenant, answer.json()["order_id"])
            counts.update(told["counts"])
            reasons.update(told["reasons"])
        bought = len(await opened.teli.purchases()) - len(quiet) - len(busy)
        assert reasons == Counter({"nothing_bought": counts["failed"]} if counts["failed"] else {})
        assert counts["failed"] <= load.kills * load.slots
        assert counts.total() == load.numbers
        assert counts["done"] == bought
        at_once = most_at_once(await opened.teli.requests("create"))
        assert at_once <= load.slots
        wrong = await opened.sql(
            "SELECT q.tenant_id, q.used, q.reserved, q.ordered FROM quotas q, LATERAL counted(q) c"
            " WHERE to_jsonb(q) <> to_jsonb(c) OR q.ordered > 0"
        )
        assert wrong == []
        [(reserved,)] = await opened.sql("SELECT coalesce(sum(reserved), 0)::int FROM quotas WHERE scope = 'tenant'")
        assert reserved == 0
        fairness = jain(shares)
        decided = await opened.sql("SELECT decision, count(*) FROM intents GROUP BY 1 ORDER BY 2 DESC")
        record_property(
            "told",
            f"{load.tenants} tenants ordered {load.numbers}, {took:.0f} s, {load.kills} kills: {bought} bought,"
            f" {left_over[0][0]} left to a person and {counts['failed']} written off, at most {at_once} of {load.slots}"
            f" at a time; Jain index at half-time {fairness:.3f}; purchases one by one p95"
            f" {p95(busy) * 1000:.0f} ms, {p95(quiet) * 1000:.0f} ms when quiet; decided by"
            f" {', '.join(f'{count} {how}' for how, count in decided)}",
        )
        assert fairness > 0.95


@pytest.mark.ci
@pytest.mark.timeout(600)
async def test_a_teli_that_is_slow_and_then_asked_too_often_loses_no_purchase(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    await slow_and_limited(engines, template, teli_process, record_property, slow_ms=1_500, limited=12)


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_a_teli_that_takes_five_seconds_and_is_asked_too_often_for_a_minute_loses_no_purchase(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    await slow_and_limited(engines, template, teli_process, record_property, slow_ms=5_000, limited=60)


async def slow_and_limited(
    engines: Engines, template: str, simulator: Simulator, record_property: Any, *, slow_ms: int, limited: float
) -> None:
    slots, numbers = 8, 24
    patient = HURRIED | {"NUMBERGATE_UPSTREAM_TIMEOUT": "8", "NUMBERGATE_SETTLING_WINDOW": "9"}
    async with (
        emptied(simulator),
        stage(engines, template, simulator, times=patient, workers=2) as opened,
        httpx.AsyncClient(base_url=opened.api.url, timeout=60, verify=False, trust_env=False) as http,
    ):
        await opened.sql("DELETE FROM send_slots WHERE slot > $1", slots)
        await opened.sql("UPDATE accounts SET mode = 'mark'")
        tenant = await opened.tenant(http, quota=2 * numbers)
        body = wanted(numbers, user_id=opened.user, organization_id=opened.organization)
        await opened.teli.switch(latency_ms={"create": slow_ms})
        assert (await tenant.send("POST", "/v1/orders", json=body)).status_code == 202
        await until_over(opened)
        await opened.teli.switch(latency_ms={})

        busy = await opened.teli.arm("too_many_requests", probability=1.0)
        assert (await tenant.send("POST", "/v1/orders", json=body)).status_code == 202
        await asyncio.sleep(limited)
        told_off = (await opened.teli.armed(busy))["struck"]
        assert await opened.sql("SELECT 1 FROM orders WHERE ended_at IS NULL")
        await opened.teli.disarm(busy)
        await until_over(opened)

        assert len(await opened.teli.purchases()) == 2 * numbers
        assert {state for (state,) in await opened.sql("SELECT state FROM orders")} == {"completed"}
        at_once = most_at_once(await opened.teli.requests("create"))
        assert at_once <= slots
        # It is asked again now and then, not again and again.
        assert told_off < 6 * limited
        record_property(
            "told",
            f"creates of {slow_ms} ms, then 429 for {limited:.0f} s: {2 * numbers} of {2 * numbers} bought, at most"
            f" {at_once} of {slots} at a time, {told_off} answered 429",
        )


async def kill_by_turns(opened: Stage, kills: int, chance: random.Random) -> None:
    workers = [opened.worker, *opened.more_workers]
    for kill in range(kills):
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        worker = workers[kill % len(workers)]
        worker.process.kill()
        await worker.process.wait()
        await worker.start()


async def buys_one(tenant: Tenant, opened: Stage) -> float:
    """Seconds that it took. Of a machine so slow that nobody hears Teli in time it is asked what became of it."""
    began = time.monotonic()
    while True:
        answer = await tenant.buy(user_id=opened.user, organization_id=opened.organization)
        if answer.status_code == 202:
            async with asyncio.timeout(150):
                while (told := await tenant.operation(answer.json()["operation_id"], wait=30))["state"] == "pending":
                    continue
            bought = told["state"] == "succeeded"
        else:
            bought = answer.status_code == 200
            assert bought or answer.json()["code"] == "upstream_unavailable", answer.text
        if bought:
            return time.monotonic() - began


def most_at_once(requests: list[dict[str, Any]]) -> int:
    """How many Teli was at work on at a time. One that nobody waits for any more is over."""
    moments = []
    for one in requests:
        moments.append((datetime.fromisoformat(one["received_at"]), 1))
        if one["ended_at"] is not None:
            moments.append((datetime.fromisoformat(one["ended_at"]), -1))
    now = most = 0
    for _, change in sorted(moments):
        now += change
        most = max(most, now)
    return most


def jain(shares: list[int]) -> float:
    """Jain's fairness index: 1 where all have the same, one n-th where one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def p95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * (len(times) - 1))]


@asynccontextmanager
async def emptied(simulator: Simulator) -> AsyncIterator[None]:
    """A Teli that remembers nothing of before."""
    async with SimulatorControl(simulator.control_url) as teli:
        await teli.reset()
    yield


async def until_over(opened: Stage) -> None:
    async with asyncio.timeout(200):
        while await opened.sql("SELECT 1 FROM orders WHERE ended_at IS NULL"):
            await asyncio.sleep(0.1)
