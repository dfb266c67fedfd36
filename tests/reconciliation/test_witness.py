"""Teli's counts as a third witness, beside the ledger and the listings."""

import asyncio

from service.observability.metrics import ALARMS
from tests.conftest import OpenGateway
from tests.reconciliation.test_resolver import doubt, look_again
from tests.simulator.control import SimulatorControl
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant


def alarms() -> float:
    return float(ALARMS.labels("purchases_unaccounted")._value.get())


async def asked(gateway: Gateway) -> int:
    return len(await gateway.teli.requests("analytics_users"))


def ask_again(gateway: Gateway) -> None:
    """As if an hour had passed since the counts were asked for."""
    asked_at = gateway.worker.resolver._witness._asked_at
    asked_at.update(dict.fromkeys(asked_at, float("-inf")))


async def test_a_purchase_that_no_listing_shows_raises_an_alarm_once_it_can_no_longer_be_under_way(
    open_gateway: OpenGateway,
):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9) as gateway:
        tenant = await gateway.tenant()
        before = alarms()
        await gateway.teli.arm("not_recorded")
        answer = await tenant.buy(prefer="wait=1")
        assert answer.status_code == 202
        await look_again(gateway)
        assert alarms() == before, "it may still be listed"
        await asyncio.sleep(1.0)

        for _ in range(3):
            await look_again(gateway)

        # Once for each of the two periods asked for: the running day, and with the day before.
        assert alarms() == before + 2


async def test_what_is_known_in_any_way_raises_none(gateway: Gateway, tenant: Tenant):
    before = alarms()
    await tenant.bought()
    await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await doubt(gateway, tenant, step="answering")
    await gateway.follow_up()

    for _ in range(3):
        await look_again(gateway)
        ask_again(gateway)

    assert (alarms(), await asked(gateway)) == (before, 4)


async def test_a_count_that_lags_means_nothing(gateway: Gateway, tenant: Tenant):
    before = alarms()
    await gateway.teli.switch(analytics_lag_seconds=86_400)
    await tenant.bought()

    await look_again(gateway)
    ask_again(gateway)
    for _ in range(2):
        await look_again(gateway)

    assert (alarms(), await asked(gateway)) == (before, 2)


async def test_what_was_bought_before_numbergate_on_the_same_day_is_known(
    open_gateway: OpenGateway, teli: SimulatorControl
):
    await teli.dashboard_buy("415", ORGANIZATION, USER, count=3)
    async with open_gateway() as gateway:
        before = alarms()
        assert await gateway.sql("SELECT count(*) FROM existing_numbers") == [(3,)]

        for _ in range(3):
            await look_again(gateway)
            ask_again(gateway)

        assert (alarms(), await asked(gateway)) == (before, 4)


async def test_the_counts_are_asked_for_once_an_hour_and_at_each_look_while_a_doubt_is_old(
    open_gateway: OpenGateway,
):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9) as gateway:
        tenant = await gateway.tenant()
        for _ in range(3):
            await look_again(gateway)
        assert await asked(gateway) == 0
        ask_again(gateway)
        for _ in range(3):
            await look_again(gateway)
        assert await asked(gateway) == 2

        await doubt(gateway, tenant, step="received")
        await look_again(gateway)
        assert await asked(gateway) == 2
        await asyncio.sleep(1.0)
        for _ in range(2):
            await look_again(gateway)
        assert await asked(gateway) == 6


async def test_counts_too_high_are_told_with_whose_they_are_and_again_only_where_they_grow(
    gateway: Gateway, tenant: Tenant
):
    await tenant.bought()
    await look_again(gateway)
    before = alarms()

    for by, told in ((1, 2), (1, 2), (2, 4)):
        armed = await gateway.teli.arm("analytics_miscount", 2, operation="analytics_users", by=by)
        ask_again(gateway)
        for _ in range(2):
            await look_again(gateway)
        assert alarms() == before + told
        await gateway.teli.disarm(armed)
