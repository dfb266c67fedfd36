"""Counters against rows: equal whatever happens, repaired and told where a hand has changed them."""

import asyncio

import pytest

from tests.support.gateway import Gateway, Tenant

COUNTERS = "SELECT used, reserved FROM quotas WHERE tenant_id = :t"
REPAIRS = "SELECT object_id, before, after FROM audit WHERE action = 'quota.repaired'"


async def test_counters_that_are_their_rows_are_left_alone(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await gateway.teli.arm("server_error")
    assert (await tenant.buy(prefer="wait=1")).status_code == 202

    await gateway.worker.drift.run()

    assert await gateway.sql(COUNTERS, t=tenant.id) == [(1, 1)]
    assert await gateway.sql(REPAIRS) == []


async def test_counters_that_a_hand_has_changed_are_repaired_and_told(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    await gateway.mark_mode(tenant)
    await gateway.sql("UPDATE quotas SET used = 7, reserved = 3 WHERE tenant_id = :t", t=tenant.id)

    await gateway.worker.drift.run()

    assert await gateway.sql(COUNTERS, t=tenant.id) == [(1, 0)]
    assert await gateway.sql(COUNTERS, t=other.id) == [(0, 0)]
    [(repaired, before, after)] = await gateway.sql(REPAIRS)
    assert (repaired, before, after) == (tenant.id, {"used": 7, "reserved": 3}, {"used": 1, "reserved": 0})


@pytest.mark.usefixtures("patient_sends")
async def test_purchases_and_releases_under_way_are_no_drift(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    done = asyncio.Event()

    async def compare() -> None:
        while not done.is_set():
            await gateway.worker.drift.run()

    comparing = asyncio.create_task(compare())
    await asyncio.gather(*(tenant.bought() for _ in range(30)))
    done.set()
    await comparing

    assert await gateway.sql(COUNTERS, t=tenant.id) == [(31, 0)]
    assert await gateway.sql(REPAIRS) == []


@pytest.mark.usefixtures("patient_sends")
async def test_a_repair_amid_purchases_is_exact(gateway: Gateway, tenant: Tenant):
    await gateway.mark_mode(tenant)
    await gateway.sql("UPDATE quotas SET used = used + 5, reserved = reserved + 5 WHERE tenant_id = :t", t=tenant.id)

    await asyncio.gather(*(tenant.bought() for _ in range(20)), *(gateway.worker.drift.run() for _ in range(3)))
    await gateway.worker.drift.run()

    assert await gateway.sql(COUNTERS, t=tenant.id) == [(21, 0)]
    assert len(await gateway.sql(REPAIRS)) == 1
