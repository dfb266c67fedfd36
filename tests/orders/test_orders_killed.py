"""Orders whose workers die on the way, by SIGKILL: as many numbers as were ordered are bought, and no other."""

import asyncio
import random
from typing import Any

import httpx
import pytest

from tests.chaos.stage import TIMES, Stage, stage
from tests.conftest import Engines
from tests.orders.desk import order, wanted
from tests.simulator.program import Simulator

pytestmark = pytest.mark.processes

# What a worker leaves when it dies is in doubt until its lease is over, and then is looked for.
HURRIED = TIMES | {"NUMBERGATE_UPSTREAM_TIMEOUT": "3", "NUMBERGATE_SETTLING_WINDOW": "4", "NUMBERGATE_WRITE_OFF": "600"}


@pytest.mark.ci
@pytest.mark.timeout(300)
async def test_an_order_whose_workers_are_killed_buys_exactly_what_it_says(
    engines: Engines, template: str, teli_process: Simulator, record_property: Any
):
    chance = random.Random(8)
    async with (
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


async def until_over(opened: Stage) -> None:
    async with asyncio.timeout(200):
        while await opened.sql("SELECT 1 FROM orders WHERE ended_at IS NULL"):
            await asyncio.sleep(0.1)
