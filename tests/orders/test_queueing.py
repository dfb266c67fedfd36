"""An item of an order that waited long for its turn stands in the queue of purchases that are asked for one by one."""

import asyncio

import pytest

from tests.numbers.ledger import use_marks
from tests.numbers.test_lanes import add_user
from tests.orders.desk import buy, order, placed, quotas_are_exact
from tests.orders.test_new_numbers import by_hand
from tests.support.gateway import Gateway, Tenant

pytestmark = pytest.mark.usefixtures("patient_sends")
PLACES = "SELECT count(*) FROM send_queue WHERE alive_until > clock_timestamp()"


async def waited_long(gateway: Gateway) -> None:
    """As if whatever was busy had been so for more than ten seconds."""
    await gateway.sql("UPDATE order_items SET busy_since = busy_since - interval '11 seconds', due_at = now()")


async def test_an_item_that_waited_long_has_a_place_before_whoever_comes_later(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    await use_marks(gateway)
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 1")
    await gateway.teli.hold("received", times=2)
    first = asyncio.create_task(tenant.buy())
    await gateway.teli.until_held(1)
    order_id = await placed(tenant, 1)
    await buy(gateway, until_over=False)
    assert await gateway.sql(PLACES) == [(0,)]
    await waited_long(gateway)
    await buy(gateway, until_over=False)
    assert (await order(tenant, order_id))["counts"] == {"waiting": 1}
    assert await gateway.sql(PLACES) == [(1,)]

    later = asyncio.create_task(tenant.buy())
    while await gateway.sql(PLACES) != [(2,)]:
        await asyncio.sleep(0.01)
    await gateway.teli.release_holds()
    assert (await first).status_code == 200
    buying = asyncio.create_task(buy(gateway))
    await gateway.teli.until_held(1)
    assert (await order(tenant, order_id))["counts"] == {"begun": 1}
    await gateway.teli.release_holds()
    assert (await later).status_code == 200
    await buying
    assert (await order(tenant, order_id))["counts"] == {"done": 1}
    await quotas_are_exact(gateway)


async def test_an_item_that_is_asked_for_no_more_holds_up_nobody(gateway: Gateway, tenant: Tenant, database_url: str):
    """Others that wait keep the places of their replica alive, but not that of an order that was cancelled."""
    await use_marks(gateway)
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 1")
    await gateway.teli.hold("received")
    first = asyncio.create_task(tenant.buy())
    await gateway.teli.until_held(1)
    cancelled = await placed(tenant, 1)
    await buy(gateway, until_over=False)
    await waited_long(gateway)
    await buy(gateway, until_over=False)
    assert (await tenant.send("POST", f"/v1/orders/{cancelled}/cancel")).status_code == 200
    await gateway.sql("UPDATE send_queue SET alive_until = now(), leaves_at = leaves_at - interval '6 seconds'")

    await placed(tenant, 1)
    await buy(gateway, until_over=False)
    await waited_long(gateway)
    await buy(gateway, until_over=False)
    assert await gateway.sql(PLACES) == [(1,)]
    await gateway.teli.release_holds()
    assert (await first).status_code == 200
    await buy(gateway)


async def test_a_user_whose_lane_is_taken_for_long_holds_up_no_orders_of_others(gateway: Gateway, tenant: Tenant):
    await add_user(gateway, "waits")
    await gateway.teli.hold("received", match={"user_id": "waits"})
    taken = asyncio.create_task(tenant.buy(user_id="waits"))
    await gateway.teli.until_held(1)
    held_up = await placed(tenant, 1, user_id="waits")
    await buy(gateway, until_over=False)
    await waited_long(gateway)
    another = await gateway.tenant()
    other = await placed(another, 3)

    async with asyncio.timeout(30):
        while (await order(another, other))["counts"] != {"done": 3}:
            await buy(gateway, until_over=False)
    assert (await order(tenant, held_up))["counts"] == {"waiting": 1}
    await gateway.teli.release_holds()
    await taken
    await buy(gateway)
