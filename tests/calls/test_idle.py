"""Which numbers are idle, as far as it is known; what is not known is never counted so."""

from datetime import timedelta
from typing import Any

import pytest

from service.kit.clock import utc_now
from service.tenants.administration import TENANT_SCOPES
from tests.calls.reading import PEOPLE, account, ago, call, held_for, known, look_up_all, read_all
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.support.gateway import ORGANIZATION, Gateway, Tenant

IDLE = "/v1/idle-numbers"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def idle(tenant: Tenant, **params: Any) -> dict[str, Any]:
    answer = await tenant.get(IDLE, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_number_is_idle_since_its_last_call_and_what_that_cost_is_told(open_gateway: OpenGateway):
    async with open_gateway(default_price_monthly=2_990_000, default_price_setup=1_000_000) as gateway:
        tenant = await gateway.tenant()
        called, calling, silent, failed = [(await tenant.bought())["phone_number"] for _ in range(4)]
        await held_for(gateway, 100)
        unknown = await idle(tenant)
        assert (unknown["items"], unknown["judged"]["unknown"], unknown["judged"]["share"]) == ([], 4, 0)

        await gateway.teli.switch(call_rows_have_numbers=True)
        await call(gateway, PEOPLE, called, ago=40 * DAY, direction="inbound")
        await call(gateway, PEOPLE, called, ago=50 * DAY, direction="inbound")
        await call(gateway, calling, PEOPLE, ago=2 * DAY, direction="outbound")
        await call(gateway, failed, PEOPLE, ago=3 * DAY, direction="outbound", outcome="error")
        await read_all(gateway)

        now = utc_now()
        told = [[ago(one, now) for one in await known(gateway, number)] for number in (called, calling, silent, failed)]
        assert told == [
            [40 * DAY, None, 40 * DAY],
            [None, 2 * DAY, 2 * DAY],
            [None, None, 90 * DAY],  # Since when calls are read at all, though it was bought before.
            [None, 3 * DAY, 3 * DAY],
        ]
        found = await idle(tenant, days=30)
        assert [one["phone_number"] for one in found["items"]] == [silent, called]
        assert [one["idle_days"] for one in found["items"]] == [90, 40]
        assert (found["judged"]["active"], found["judged"]["judged"], found["judged"]["share"]) == (4, 4, 1.0)
        months = sum(one["spent_on_silence"] for one in found["items"])
        assert found["spent_on_silence"] == {"micros": months, "currency": "USD", "also": []}
        assert months % 2_990_000 == 0 < months
        assert found["selection"]["filters"] == {"idle_days": 30, "state": "active"}
        assert found["selection"]["ids"] == [one["id"] for one in found["items"]]

        first = await idle(tenant, days=30, limit=1)
        second = await idle(tenant, days=30, limit=1, cursor=first["next_cursor"])
        assert [one["phone_number"] for one in first["items"] + second["items"]] == [silent, called]
        assert second["next_cursor"] is None
        problem(await tenant.get(IDLE, params={"days": 31, "cursor": first["next_cursor"]}), 400, "invalid_request")
        for days in ("0", "-1", "1000000000", "x"):
            problem(await tenant.get(IDLE, params={"days": days}), 400, "invalid_request")
        problem(await tenant.get(IDLE, params={"idle": "1"}), 400, "invalid_request")
        problem(await tenant.get(IDLE, params={"organization_id": "another"}), 403, "not_your_organization")


async def test_idle_numbers_of_another_tenant_are_not_told(gateway: Gateway):
    tenant, other = [
        await gateway.tenant(scopes=[one for one in TENANT_SCOPES if one != "inventory:org"]) for _ in range(2)
    ]
    await tenant.bought()
    await held_for(gateway, 100)
    await read_all(gateway)
    assert (await idle(tenant))["judged"]["judged"] == 1
    found = await idle(other)
    assert (found["items"], found["judged"]["active"], found["total"]["value"]) == ([], 0, 0)
    assert (await idle(gateway.admin))["total"]["value"] == 1


async def test_a_call_without_numbers_taints_its_users_until_it_was_looked_up(gateway: Gateway, tenant: Tenant):
    called, other = [(await tenant.bought())["phone_number"] for _ in range(2)]
    await held_for(gateway, 100)
    await call(gateway, PEOPLE, called, ago=5 * DAY, direction="inbound")
    await read_all(gateway)
    now = utc_now()
    assert ago((await known(gateway, other))[2], now) == 5 * DAY
    assert await known(gateway, called) == await known(gateway, other)

    assert await look_up_all(gateway) == 1
    await read_all(gateway)

    assert [ago(one, now) for one in await known(gateway, called)] == [5 * DAY, None, 5 * DAY]
    assert ago((await known(gateway, other))[2], now) == 90 * DAY
    assert await look_up_all(gateway) == 0


async def test_a_call_that_cannot_be_looked_up_leaves_everybody_of_its_organisation_unjudged_before_it(
    gateway: Gateway, tenant: Tenant
):
    number = (await tenant.bought())["phone_number"]
    await held_for(gateway, 100)
    await call(gateway, PEOPLE, number, ago=5 * DAY, direction="inbound")
    await read_all(gateway)
    await gateway.teli.arm("html_error", 3, operation="call_get")
    for _ in range(3):
        await gateway.sql("UPDATE bare_calls SET due_at = clock_timestamp()")
        await look_up_all(gateway)
    await read_all(gateway)
    last, _, since = await known(gateway, number)
    assert last is None
    assert ago(since, utc_now()) == 5 * DAY


async def test_a_call_that_is_filed_late_is_seen_by_the_next_window(gateway: Gateway, tenant: Tenant):
    number = (await tenant.bought())["phone_number"]
    await held_for(gateway, 100)
    await gateway.teli.switch(call_rows_have_numbers=True, call_lag_seconds=4 * 3600)
    await call(gateway, PEOPLE, number, ago=2 * HOUR, direction="inbound")
    await read_all(gateway)
    assert (await known(gateway, number))[0] is None
    await gateway.teli.switch(call_lag_seconds=0)
    await read_all(gateway)
    assert ago((await known(gateway, number))[0], utc_now()) == 2 * HOUR


async def test_where_calls_were_not_read_for_a_day_nothing_is_idle(gateway: Gateway, tenant: Tenant):
    number = (await tenant.bought())["phone_number"]
    await held_for(gateway, 100)
    await read_all(gateway)
    assert (await idle(tenant))["judged"]["judged"] == 1

    await gateway.sql("UPDATE call_reads SET read_until = read_until - interval '25 hours'")
    await gateway.teli.arm("html_error", 3, operation="call_list")
    await read_all(gateway)

    assert (await known(gateway, number))[2] is None
    found = await idle(tenant)
    assert (found["items"], found["judged"]["unknown"]) == ([], 1)
    assert await gateway.sql("SELECT DISTINCT failures FROM call_reads") == [(1,)]


async def test_a_call_before_an_acquisition_is_not_its_own(gateway: Gateway, tenant: Tenant):
    number = (await tenant.bought())["phone_number"]
    await gateway.teli.switch(call_rows_have_numbers=True)
    await call(gateway, PEOPLE, number, ago=2 * DAY, direction="inbound")
    await read_all(gateway)
    last, _, since = await known(gateway, number)
    assert (last, ago(since, utc_now())) == (None, timedelta(0))


async def test_no_more_requests_leave_in_an_hour_than_are_set(open_gateway: OpenGateway):
    async with open_gateway(call_reads_per_hour=60, call_look_ups_per_hour=0) as gateway:
        of = await account(gateway)
        await gateway.sql("INSERT INTO looks (account_id, organization_id) VALUES (:a, :o) ON CONFLICT DO NOTHING",
                          a=of, o=ORGANIZATION)  # fmt: skip
        for _ in range(20):
            await gateway.worker.calls.reading.read(of)
            await gateway.worker.calls.reading.look_up(of)
        assert len(await gateway.teli.requests("call_list")) == 1
        assert await gateway.teli.requests("call_get") == []


@pytest.mark.ci
async def test_thousands_of_calls_are_read_page_by_page_and_every_number_is_judged_right(open_gateway: OpenGateway):
    async with open_gateway(upstream_timeout=60) as gateway:
        tenant = await gateway.tenant()
        numbers = [(await tenant.bought())["phone_number"] for _ in range(20)]
        await held_for(gateway, 100)
        await gateway.teli.switch(call_rows_have_numbers=True)
        # Number n is called every n + 1 hours and some, the last time n + 1 hours ago; the last three never.
        for place, number in enumerate(numbers[:-3]):
            for turn in range(2_000 // (place + 1)):
                await call(gateway, PEOPLE, number, ago=(place + 1) * HOUR * (turn + 1), direction="inbound")
        calls = sum(2_000 // (place + 1) for place in range(17))

        requests = await read_all(gateway)

        now = utc_now()
        for place, number in enumerate(numbers[:-3]):
            assert ago((await known(gateway, number))[2], now) == (place + 1) * HOUR
        assert [ago((await known(gateway, number))[2], now) for number in numbers[-3:]] == [90 * DAY] * 3
        assert calls > 6_000
        assert requests <= calls // 90 + 10
        assert (await idle(tenant))["total"]["value"] == 3
