"""An import whose worker dies on the way, by SIGKILL: every number that was shown is adopted once, and no other."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.chaos.stage import AUTHOR, TIMES, Stage, stage
from tests.conftest import Engines
from tests.imports.desk import apply, one, shown_listed
from tests.simulator.program import Simulator
from tests.support.gateway import Tenant

pytestmark = pytest.mark.processes

UNHURRIED = TIMES | {"NUMBERGATE_UPSTREAM_TIMEOUT": "5", "NUMBERGATE_SETTLING_WINDOW": "6", "NUMBERGATE_WRITE_OFF": "7"}
KEPT = """
    SELECT (SELECT count(*) FROM numbers), (SELECT count(DISTINCT phone_number) FROM numbers),
           (SELECT count(*) FROM order_items WHERE outcome = 'done' AND number_id IS NOT NULL),
           (SELECT count(*) FROM audit WHERE action = 'number.imported'),
           (SELECT count(*) FROM outbox WHERE kind = 'number.imported'),
           (SELECT used FROM quotas WHERE scope = 'tenant')
"""


@pytest.mark.ci
@pytest.mark.timeout(300)
async def test_a_worker_killed_twice_adopts_each_once(engines: Engines, template: str, teli_process: Simulator):
    await adopts(engines, template, teli_process, numbers=400, kills=2)


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_a_worker_killed_five_times_adopts_ten_thousand_once(
    engines: Engines, template: str, teli_process: Simulator
):
    await adopts(engines, template, teli_process, numbers=10_000, kills=5)


async def adopts(engines: Engines, template: str, simulator: Simulator, *, numbers: int, kills: int) -> None:
    async with (
        stage(engines, template, simulator, times=UNHURRIED) as opened,
        httpx.AsyncClient(base_url=opened.api.url, timeout=60, verify=False, trust_env=False) as http,
    ):
        tenant = await opened.tenant(http, quota=numbers // 2)
        admin = Tenant(http, "", (await opened.services.administration.issue_staff_key(AUTHOR, "admin", "test")).key)
        await bought_before(opened, numbers)
        told = await shown_listed(admin, tenant_id=tenant.id)
        assert (told["count"], told["preview"]["limits_passed"][0]["would_hold"]) == (numbers, numbers)

        assert (await apply(admin, told["import_id"])).status_code == 202
        for kill in range(1, kills + 1):
            await until(opened, "SELECT FROM numbers HAVING count(*) >= $1", kill * numbers // (kills + 1))
            opened.worker.process.kill()
            await opened.worker.process.wait()
            await opened.worker.start()
        await until(opened, "SELECT FROM orders WHERE ended_at IS NOT NULL")

        assert (await one(admin, told["import_id"]))["counts"] == {"done": numbers}
        assert await opened.sql(KEPT) == [(numbers,) * 6]


async def bought_before(opened: Stage, count: int) -> None:
    """What the account held before it was first listed, as listings have shown since."""
    await opened.teli.dashboard_buy("313", opened.organization, opened.user, count=count)
    await opened.sql("UPDATE accounts SET listed_at = NULL")
    await opened.until_listed()
    await until(
        opened, "SELECT FROM upstream_rows r JOIN existing_numbers e USING (row_id) HAVING count(*) = $1", count
    )
    await until(opened, "SELECT FROM listings WHERE complete AND row_count = $1", count)


async def until(opened: Stage, condition: str, *values: Any) -> None:
    async with asyncio.timeout(600):
        while not await opened.sql(condition, *values):
            await asyncio.sleep(0.02)
