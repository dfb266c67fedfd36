"""Limits that are nearly used up: told once for each time that they come to be so."""

from asyncio import gather

import jsonschema_rs

from service.outbox.catalogue import schema_of
from tests.support.gateway import Gateway, Tenant


async def told(gateway: Gateway, tenant: Tenant) -> list[tuple[str, int]]:
    """Of the tenant's limits, after the worker has looked."""
    await gather(*(gateway.worker.quota_watch.look() for _ in range(3)))
    await gateway.worker.numbering.number()
    events = (await tenant.get("/v1/events?type=quota.near_limit")).json()["items"]
    for event in events:
        jsonschema_rs.validator_for(schema_of("quota.near_limit")).validate(event)
    return [(event["data"]["limit_name"], event["data"]["percent"]) for event in events]


async def test_a_tenant_is_told_as_it_comes_to_hold_80_percent_and_all_of_what_it_may_and_once_for_each_time(
    gateway: Gateway,
):
    tenant = await gateway.tenant(scopes=["numbers:create", "numbers:release", "events:read"], quota=5)
    other = await gateway.tenant(scopes=["events:read"], quota=5)
    numbers = [await tenant.bought() for _ in range(3)]
    assert await told(gateway, tenant) == []
    numbers.append(await tenant.bought())
    assert await told(gateway, tenant) == [("numbers_held", 80)]
    assert await told(gateway, tenant) == [("numbers_held", 80)]
    await tenant.bought()
    assert await told(gateway, tenant) == [("numbers_held", 80), ("numbers_held", 100)]

    await gateway.follow_up()
    for number in numbers[:2]:
        deleted = await tenant.send("DELETE", f"/v1/voice/phone-numbers/{number['phone_number']}")
        assert deleted.status_code == 200, deleted.text
    assert len(await told(gateway, tenant)) == 2
    await tenant.bought()
    assert await told(gateway, tenant) == [("numbers_held", 80), ("numbers_held", 100), ("numbers_held", 80)]
    assert await told(gateway, other) == []


async def test_spending_of_a_month_is_told_and_the_next_month_begins_anew(gateway: Gateway):
    tenant = await gateway.tenant(scopes=["numbers:create", "events:read"])
    await gateway.put_quotas(tenant, spend_per_month=gateway.settings.default_price.first * 5 // 4)
    await tenant.bought()
    assert await told(gateway, tenant) == [("spend_per_month", 80)]

    await gateway.sql("UPDATE quotas SET month = month - interval '1 month' WHERE tenant_id = :id", id=tenant.id)
    assert await told(gateway, tenant) == [("spend_per_month", 80)]
    assert await gateway.sql("SELECT 1 FROM quota_alerts") == []


async def test_a_limit_that_is_lowered_below_its_use_is_told_and_one_that_is_not_looked_at_is_not(gateway: Gateway):
    tenant = await gateway.tenant(scopes=["numbers:create", "events:read"])
    await tenant.bought()
    await gateway.put_quotas(tenant, numbers_held=1, mode="off")
    assert await told(gateway, tenant) == []
    await gateway.put_quotas(tenant, mode="shadow")
    assert await told(gateway, tenant) == [("numbers_held", 80), ("numbers_held", 100)]
