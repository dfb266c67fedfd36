"""Whose turn it is among tenants whose orders wait, by the weights of their policies."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from service.orders.queue import CLAIM
from tests.numbers.ledger import use_marks
from tests.numbers.test_lanes import add_user
from tests.orders.desk import buy, order, placed, quotas_are_exact
from tests.orders.test_new_numbers import by_hand
from tests.support.gateway import Gateway, Tenant
from tests.tenants.test_policies import put

pytestmark = pytest.mark.usefixtures("patient_sends")


@pytest.fixture(autouse=True)
async def marks(gateway: Gateway) -> None:
    await use_marks(gateway)


async def weighing(gateway: Gateway, weight: int) -> Tenant:
    tenant = await gateway.tenant()
    await put(gateway, tenant, order_weight=weight)
    return tenant


async def claims(gateway: Gateway, count: int, *, at_once: int = 4) -> list[str]:
    """Whose turns the next ones are, as a worker takes them."""
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    taken: list[str] = []
    while len(taken) < count:
        turns = await _claimed(gateway, account, min(at_once, count - len(taken)))
        assert turns, taken
        taken += turns
    return taken


async def _claimed(gateway: Gateway, account: UUID, most: int) -> list[str]:
    async with gateway.worker.database.acting() as session:
        asked = {"account": account, "most": most, "seconds": 60.0, "without": [], "without_users": []}
        found = (await session.execute(CLAIM, asked)).all()
    owners = dict(await gateway.sql("SELECT id, tenant_id FROM orders"))
    return [owners[order_id] for order_id, _ in found]


async def test_a_tenant_of_three_times_the_weight_is_sent_for_three_times_as_often(gateway: Gateway, database_url: str):
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 2")
    heavy, light = await weighing(gateway, 3), await weighing(gateway, 1)
    await placed(light, 20, nickname="light")
    await placed(heavy, 20, nickname="heavy")
    await buy(gateway)

    asked = [one["body"]["nickname"].split()[-1] for one in await gateway.teli.requests("create")]
    assert Counter(asked) == {"heavy": 20, "light": 20}
    sent = Counter(asked[:24])
    assert 17 <= sent["heavy"] <= 19, asked
    await quotas_are_exact(gateway)


@pytest.mark.parametrize("weights", [(100, 1), (100, 3, 1), (7, 7, 2)])
async def test_each_has_turns_by_its_weight_and_none_waits_for_good(gateway: Gateway, weights: tuple[int, ...]):
    tenants = [await weighing(gateway, weight) for weight in weights]
    for tenant in tenants:
        await placed(tenant, 250)
    turns = await claims(gateway, 2 * sum(weights))

    for tenant, weight in zip(tenants, weights, strict=True):
        assert abs(turns.count(tenant.id) - 2 * weight) <= 1, (weight, Counter(turns))
        longest = max(map(len, "".join("x" if one == tenant.id else "." for one in turns).split("x")))
        assert longest <= -(-sum(weights) // weight) + len(weights), (weight, longest)


async def test_who_comes_late_is_not_owed_the_past_whatever_its_weight(gateway: Gateway):
    heavy, light = await weighing(gateway, 10), await weighing(gateway, 1)
    await placed(light, 40)
    assert set(await claims(gateway, 20)) == {light.id}
    await placed(heavy, 60)
    turns = await claims(gateway, 30)
    assert turns.index(light.id) <= 15, turns


async def test_a_weight_that_is_changed_holds_from_the_next_turn_on(gateway: Gateway):
    first, second = await weighing(gateway, 1), await weighing(gateway, 1)
    for tenant in (first, second):
        await placed(tenant, 100)
    assert Counter(await claims(gateway, 20)) == {first.id: 10, second.id: 10}
    await put(gateway, first, order_weight=4)
    assert abs(Counter(await claims(gateway, 50))[first.id] - 40) <= 2


async def done_meanwhile(gateway: Gateway, who: Tenant, order_id: str, count: int) -> None:
    """Work until so many of an order are bought, with what others have ordered beside it."""
    async with asyncio.timeout(60):
        while (await order(who, order_id))["counts"].get("done", 0) < count:
            await buy(gateway, until_over=False)


async def test_who_is_stopped_keeps_no_other_from_its_turn(gateway: Gateway):
    stopped, other = await gateway.tenant(), await gateway.tenant()
    await placed(stopped, 40)
    stop = {"scope": "tenant", "id": stopped.id, "reason": "a test"}
    assert (await gateway.admin.send("POST", "/v1/admin/stop", json=stop)).status_code == 200
    theirs = await placed(other, 12)
    await done_meanwhile(gateway, other, theirs, 12)


async def test_who_has_as_much_under_way_as_it_may_keeps_no_other_from_its_turn(gateway: Gateway):
    limited, other = await gateway.tenant(), await gateway.tenant()
    held_up = await placed(limited, 400)
    await gateway.put_quotas(limited, doubts_open=0)
    theirs = await placed(other, 12)
    await done_meanwhile(gateway, other, theirs, 12)
    assert (await order(limited, held_up))["counts"] == {"waiting": 400}


async def test_a_user_whose_lane_is_taken_keeps_no_other_from_its_turn(gateway: Gateway, database_url: str):
    await by_hand(database_url, "UPDATE accounts SET mode = 'lane'")
    await add_user(gateway, "waits")
    first, other = await gateway.tenant(), await gateway.tenant()
    await gateway.teli.hold("received", match={"user_id": "waits"})
    taken = asyncio.create_task(first.buy(user_id="waits"))
    await gateway.teli.until_held(1)
    held_up = await placed(first, 400, user_id="waits")
    mixed, theirs = await placed(first, 3), await placed(other, 6)
    await done_meanwhile(gateway, other, theirs, 6)
    await done_meanwhile(gateway, first, mixed, 3)
    assert (await order(first, held_up))["counts"].get("done", 0) == 0
    await gateway.teli.release_holds()
    assert (await taken).status_code == 200


async def test_orders_of_one_tenant_have_turns_alike_where_there_is_room_for_one_at_a_time(
    gateway: Gateway, database_url: str
):
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 1")
    tenant = await gateway.tenant()
    for name in ("one", "two", "three"):
        await placed(tenant, 8, nickname=name)
    await buy(gateway)
    asked = [one["body"]["nickname"].split()[-1] for one in await gateway.teli.requests("create")]
    for name in ("one", "two", "three"):
        assert 3 <= asked[:12].count(name) <= 5, asked
