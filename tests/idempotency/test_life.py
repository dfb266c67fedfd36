"""How long a key lives: with its number and ninety days more, else thirty days; and what it does once forgotten."""

from typing import Any

import httpx

from tests.idempotency.replays import same
from tests.numbers.test_reuse import bought_after_all
from tests.support.gateway import Gateway, Tenant

NUMBERS = "/v1/voice/phone-numbers"


async def pass_days(gateway: Gateway, days: int) -> None:
    """Everything is so much older; the worker has pruned, and Redis forgotten."""
    for table, moments in (
        ("idempotency_keys", ("created_at", "expires_at")),
        ("intents", ("admitted_at", "decided_at", "send_ended_at")),
        ("numbers", ("acquired_at", "released_at")),
        ("steps", ("created_at", "ended_at")),
    ):
        older = ", ".join(f"{one} = {one} - make_interval(days => :days)" for one in moments)
        await gateway.sql(f"UPDATE {table} SET {older}", days=days)
    await gateway.worker.pruning.run()
    await gateway.flush_redis()


async def released(tenant: Tenant, number: str, key: str | None = None) -> httpx.Response:
    headers = {"Prefer": "wait=60"} | ({} if key is None else {"Idempotency-Key": key})
    answer = await tenant.send("DELETE", f"{NUMBERS}/{number}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


async def keys(gateway: Gateway) -> list[tuple[Any, ...]]:
    return await gateway.sql("SELECT scope, key FROM idempotency_keys ORDER BY scope, key")


async def test_a_key_is_replayed_for_ninety_days_after_its_number_was_released_and_then_buys_anew(
    gateway: Gateway, tenant: Tenant
):
    first = await tenant.buy(key="k")
    await released(tenant, first.json()["phone_number"])

    await pass_days(gateway, 89)
    assert same(await tenant.buy(key="k"), first)
    await pass_days(gateway, 2)
    second = await tenant.buy(key="k")

    assert second.status_code == 200
    assert "idempotent-replayed" not in second.headers
    assert second.json()["id"] != first.json()["id"]
    assert same(await tenant.buy(key="k"), second)
    assert (await gateway.teli.counts())["creates"] == 2


async def test_the_key_of_a_number_that_is_held_is_never_forgotten(gateway: Gateway, tenant: Tenant):
    first = await tenant.buy(key="k")

    await pass_days(gateway, 4000)

    assert same(await tenant.buy(key="k"), first)
    assert await keys(gateway) == [("create", "k")]


async def test_a_key_that_bought_nothing_is_forgotten_thirty_days_after_that_was_decided(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.arm("html_error")
    operation = (await tenant.buy(key="k")).json()["operation_id"]
    await pass_days(gateway, 40)
    decided = await gateway.operator.send(
        "POST", f"/v1/admin/doubts/{operation}/resolve", json={"decision": "refused", "reason": "looked"}
    )
    assert decided.status_code == 200, decided.text
    first = await tenant.buy(key="k")

    await pass_days(gateway, 29)
    assert same(await tenant.buy(key="k"), first)
    await pass_days(gateway, 2)

    assert await keys(gateway) == []
    assert (await tenant.buy(key="k")).status_code == 200


async def test_a_key_whose_purchase_is_in_doubt_lives_on(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("html_error")
    first = await tenant.buy(key="k")

    await pass_days(gateway, 4000)

    assert (await tenant.buy(key="k", prefer="respond-async")).json() == first.json()
    assert (await gateway.teli.counts())["creates"] == 1


async def test_a_key_that_was_refused_first_and_bought_then_is_its_numbers(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("out_of_stock")
    await tenant.buy(key="k")
    await gateway.flush_redis()
    await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '61 seconds'")
    first = await tenant.buy(key="k")
    assert first.status_code == 200

    await pass_days(gateway, 400)

    assert same(await tenant.buy(key="k"), first)
    assert await gateway.sql("SELECT state, idempotency_key FROM intents ORDER BY admitted_at") == [
        ("refused", None),
        ("owned", "k"),
    ]


async def test_keys_of_changes_releases_and_administrators_live_thirty_days(gateway: Gateway, tenant: Tenant):
    number = (await tenant.bought())["phone_number"]
    renaming: dict[str, Any] = {"json": {"nickname": "a"}, "headers": {"Idempotency-Key": "k", "Prefer": "wait=60"}}
    stopping: dict[str, Any] = {"json": {"scope": "global", "reason": "r"}, "headers": {"Idempotency-Key": "k"}}
    renamed = await tenant.send("POST", f"{NUMBERS}/{number}/update-agent", **renaming)
    gone = await released(tenant, number, "k")
    stopped = await gateway.admin.send("POST", "/v1/admin/stop", **stopping)

    await pass_days(gateway, 29)
    assert same(await tenant.send("POST", f"{NUMBERS}/{number}/update-agent", **renaming), renamed)
    assert same(await released(tenant, number, "k"), gone)
    assert same(await gateway.admin.send("POST", "/v1/admin/stop", **stopping), stopped)
    await pass_days(gateway, 2)

    assert await keys(gateway) == []


async def test_more_keys_than_a_batch_are_forgotten_in_one_run(gateway: Gateway):
    await gateway.sql(
        "INSERT INTO idempotency_keys (tenant_id, scope, key, fingerprint, answer, expires_at)"
        " SELECT 't', 's', n::text, '', '{\"a\": 1}', clock_timestamp() - interval '1 day'"
        " FROM generate_series(1, 2001) n"
    )

    await gateway.worker.pruning.run()

    assert await keys(gateway) == []


async def forgotten(gateway: Gateway, tenant: Tenant) -> None:
    """The key "k" has bought a number, long ago."""
    await gateway.mark_mode(tenant)
    bought = await tenant.bought(key="k")
    await gateway.follow_up()
    await released(tenant, bought["phone_number"])
    await pass_days(gateway, 91)
    assert await keys(gateway) == []


async def test_a_row_with_the_mark_of_a_key_that_was_used_again_proves_the_later_purchase(
    gateway: Gateway, tenant: Tenant
):
    await forgotten(gateway, tenant)
    await gateway.teli.arm("reset", step="answering")
    operation = (await tenant.buy(key="k", prefer="wait=2")).json()["operation_id"]

    await gateway.look_everywhere()

    assert (await tenant.operation(operation))["state"] == "succeeded"
    assert (await tenant.buy(key="k")).json()["operation_id"] == operation
    assert await gateway.sql("SELECT count(*) FROM orphans") == [(0,)]


async def test_a_row_of_a_later_refusal_names_that_and_not_the_purchase_that_was_forgotten(
    gateway: Gateway, tenant: Tenant
):
    await forgotten(gateway, tenant)

    await bought_after_all(gateway, tenant, key="k")

    [(named, last, marks)] = await gateway.sql(
        "SELECT o.intent_id, (SELECT id FROM intents ORDER BY admitted_at DESC LIMIT 1),"
        " (SELECT count(*) FROM intents i WHERE i.mark = (SELECT mark FROM intents WHERE id = o.intent_id))"
        " FROM orphans o WHERE o.reason = 'refused_intent'"
    )
    assert named == last
    assert marks == 2
