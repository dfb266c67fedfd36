"""A number that a refused intent bought after all is had by the next purchase, before anything new is bought."""

import asyncio

import httpx

from tests.numbers.ledger import check, quota
from tests.support.gateway import Gateway, Tenant


async def bought_after_all(gateway: Gateway, tenant: Tenant, area_code: str = "313", **ask: str) -> str:
    """A purchase that Teli refused, and whose row is there all the same with its mark; the number."""
    await gateway.teli.arm("server_error", operation="create", step="recorded", status=429)
    answer = await tenant.buy(area_code, **ask)
    assert answer.status_code == 503, answer.text
    number = str((await gateway.teli.purchases())[-1]["phone_number"])
    await gateway.look_everywhere()
    return number


async def orphans(gateway: Gateway) -> list[tuple[str, str]]:
    return [tuple(row) for row in await gateway.sql("SELECT reason, state FROM orphans ORDER BY created_at")]


async def creates(gateway: Gateway) -> int:
    return int((await gateway.teli.counts())["creates"])


async def test_it_is_had_by_the_next_purchase_of_its_user_and_nothing_is_bought(gateway: Gateway, tenant: Tenant):
    number = await bought_after_all(gateway, tenant)
    assert await orphans(gateway) == [("refused_intent", "open")]
    before = await creates(gateway)

    answer = await tenant.buy(key="another", nickname="Sales")

    assert (answer.status_code, answer.json()["phone_number"]) == (200, number)
    assert await creates(gateway) == before
    assert await orphans(gateway) == [("refused_intent", "adopted")]
    assert await quota(gateway, tenant) == (1, 0)
    [(decision,)] = await gateway.sql("SELECT decision FROM intents WHERE state = 'owned'")
    assert decision == "reused"
    await check(gateway)


async def test_its_row_is_confirmed_by_the_mark_it_carries_and_gets_the_new_nickname(gateway: Gateway, tenant: Tenant):
    number = await bought_after_all(gateway, tenant)
    await tenant.bought(nickname="Sales")

    await gateway.follow_up()

    [(row_id, mark, stands)] = await gateway.sql(
        "SELECT upstream_row_id, mark, upstream_nickname FROM numbers WHERE phone_number = :n", n=number
    )
    assert [(row_id,)] == await gateway.sql("SELECT row_id FROM orphans")
    assert stands == f"{mark}Sales"


async def test_a_replay_of_its_key_gets_the_same_bytes(gateway: Gateway, tenant: Tenant):
    await bought_after_all(gateway, tenant)
    first = await tenant.buy(key="k")
    await gateway.flush_redis()

    again = await tenant.buy(key="k")

    assert (again.status_code, again.content) == (200, first.content)


async def test_a_neighbouring_area_code_will_do_and_one_far_away_will_not(gateway: Gateway, tenant: Tenant):
    near, far = await bought_after_all(gateway, tenant, "734"), await bought_after_all(gateway, tenant, "415")

    answers = [await tenant.bought("313") for _ in range(2)]

    assert answers[0]["phone_number"] == near
    assert answers[1]["phone_number"] not in (near, far)


async def test_another_tenant_another_user_and_one_that_is_gone_get_nothing_of_it(gateway: Gateway, tenant: Tenant):
    number = await bought_after_all(gateway, tenant)
    other = await gateway.tenant()

    assert (await other.bought())["phone_number"] != number
    await gateway.teli.dashboard_release(number)
    await gateway.look_everywhere()
    assert (await tenant.bought())["phone_number"] != number


async def test_of_many_at_once_one_has_it_and_the_others_buy(gateway: Gateway, tenant: Tenant):
    number = await bought_after_all(gateway, tenant)
    await gateway.mark_mode(tenant)
    before = await creates(gateway)

    answers: list[httpx.Response] = await asyncio.gather(*(tenant.buy() for _ in range(8)))

    numbers = [answer.json()["phone_number"] for answer in answers]
    assert len(set(numbers)) == 8
    assert numbers.count(number) <= 1
    assert await creates(gateway) - before == 8 - numbers.count(number)
    await check(gateway)


async def test_the_quota_holds_for_it_too(gateway: Gateway):
    tenant = await gateway.tenant(quota=1)
    await bought_after_all(gateway, tenant)
    assert (await tenant.buy("415")).status_code == 200

    answer = await tenant.buy()

    assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
