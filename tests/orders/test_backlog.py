"""For how long what is due has waited for a worker: grows while none works, and is nothing once one has."""

from service.observability.metrics import QUEUE_AGE
from tests.numbers.ledger import use_marks
from tests.orders.desk import buy, placed
from tests.orders.test_new_numbers import by_hand
from tests.support.gateway import Gateway

MINUTE = "interval '1 minute'"


async def ages(gateway: Gateway) -> dict[str, int]:
    """Whole minutes, by queue."""
    await gateway.worker.backlog.measure()
    return {queue: int(QUEUE_AGE.labels(queue)._value.get() // 60) for queue in ("orders", "follow_ups", "webhooks")}


async def test_an_order_waits_for_its_turn_and_not_for_its_end(gateway: Gateway, database_url: str):
    await use_marks(gateway)
    await placed(await gateway.tenant(), 3)
    await by_hand(database_url, f"UPDATE orders SET applied_at = applied_at - 5 * {MINUTE}")
    await by_hand(database_url, f"UPDATE order_items SET due_at = due_at - 5 * {MINUTE}")
    assert (await ages(gateway))["orders"] == 5

    await by_hand(database_url, f"UPDATE orders SET turned_at = clock_timestamp() - 2 * {MINUTE}")
    assert (await ages(gateway))["orders"] == 2

    # Nothing of it is due, or all that is waits for others of its user, or is held.
    for held in (
        "due_at = due_at + interval '1 hour'",
        "busy_since = now()",
        "claimed_until = now() + interval '1 hour'",
    ):
        await by_hand(database_url, f"UPDATE order_items SET {held}")
        assert (await ages(gateway))["orders"] == 0
        undone = "due_at = applied_at, busy_since = NULL, claimed_until = NULL FROM orders WHERE id = order_id"
        await by_hand(database_url, f"UPDATE order_items SET {undone}")
        assert (await ages(gateway))["orders"] == 2

    await buy(gateway)
    assert (await ages(gateway))["orders"] == 0


async def test_a_step_waits_from_when_it_is_due(gateway: Gateway, database_url: str):
    tenant = await gateway.tenant()
    await tenant.buy()
    assert (await ages(gateway))["follow_ups"] == 0
    await by_hand(database_url, f"UPDATE steps SET due_at = clock_timestamp() - 3 * {MINUTE} WHERE state = 'waiting'")
    assert (await ages(gateway))["follow_ups"] == 3

    # One that is under way holds up the next of its number, which waits for no worker.
    await by_hand(database_url, "UPDATE steps SET state = 'running', lease_until = now() + interval '1 minute'")
    assert (await ages(gateway))["follow_ups"] == 0
    await by_hand(database_url, "UPDATE steps SET lease_until = now() - interval '1 minute'")
    assert (await ages(gateway))["follow_ups"] == 3

    await gateway.follow_up()
    assert (await ages(gateway))["follow_ups"] == 0


async def test_an_endpoint_waits_from_when_it_is_due(gateway: Gateway, database_url: str):
    tenant = await gateway.tenant()
    terms = {"url": "https://1.1.1.1/", "description": "a queue"}
    made = await tenant.send("POST", "/v1/webhook-endpoints", json=terms)
    assert made.status_code == 201, made.text
    await by_hand(database_url, f"UPDATE webhook_endpoints SET due_at = clock_timestamp() - 4 * {MINUTE}")
    assert (await ages(gateway))["webhooks"] == 4

    await by_hand(database_url, "UPDATE webhook_endpoints SET leased_until = now() + interval '1 minute'")
    assert (await ages(gateway))["webhooks"] == 0
