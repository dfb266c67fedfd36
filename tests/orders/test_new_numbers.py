"""Orders of new numbers: as many as were ordered are bought, each once, within the quota that was reserved for them."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from service.db import CommitUnknown
from service.kit.errors import StorageUnavailable
from service.numbers.ledger import Admission, Ledger
from service.orders.buying import Buying
from service.orders.queue import OrderQueue
from service.teli.client import SendBy
from service.tenants.administration import TENANT_SCOPES
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.numbers.ledger import use_marks
from tests.orders.desk import buy, items, order, place, placed, quotas_are_exact, wanted
from tests.reconciliation.test_resolver import look_again
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant


async def by_hand(database_url: str, statement: str) -> None:
    """As no process of ours may."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


pytestmark = pytest.mark.usefixtures("patient_sends")


@pytest.fixture(autouse=True)
async def marks(gateway: Gateway) -> None:
    await use_marks(gateway)


async def test_an_order_buys_as_many_numbers_as_it_says(gateway: Gateway, tenant: Tenant):
    order_id = await placed(
        tenant, 5, nickname="Sales {area_code}-{n:03}", tags=["sales"], cost_center="east", inbound_agent_id="a1"
    )
    await buy(gateway)

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"], told["count"], told["reasons"]) == ("completed", {"done": 5}, 5, {})
    bought = await gateway.teli.purchases()
    assert len(bought) == 5
    found = await items(tenant, order_id)
    assert {one["phone_number"] for one in found} == {one["phone_number"] for one in bought}
    numbers = await gateway.sql("SELECT nickname, tags, cost_center, user_id FROM numbers ORDER BY nickname")
    assert numbers == [(f"Sales 313-{n:03}", ["sales"], "east", USER) for n in range(1, 6)]
    assert await gateway.sql("SELECT count(*) FROM agent_links WHERE desired = 'a1'") == [(5,)]
    await quotas_are_exact(gateway)
    for one in found:
        assert (await tenant.operation(one["operation_id"]))["state"] == "succeeded"


async def test_who_placed_it_is_named_wherever_it_is_told(gateway: Gateway, tenant: Tenant):
    order_id = await placed(tenant, 2)
    await buy(gateway)

    noted = await gateway.sql("SELECT action, actor FROM audit WHERE action IN ('order.placed', 'intent.owned')")
    assert Counter(action for action, _ in noted) == {"order.placed": 1, "intent.owned": 2}
    assert len({actor for _, actor in noted}) == 1
    assert noted[0][1].startswith("key:")
    [(payload,)] = await gateway.sql("SELECT payload FROM outbox WHERE kind = 'order.completed'")
    assert payload == {"order_id": order_id, "order_kind": "buy", "counts": {"done": 2}}


async def test_an_order_beyond_the_quota_is_refused_as_a_whole(gateway: Gateway):
    tenant = await gateway.tenant(quota=5)
    body = problem(await place(tenant, 6), 429, "quota_exceeded")
    assert (body["quota"]["limit_name"], body["quota"]["asked"], body["quota"]["reserved"]) == ("numbers_held", 6, 0)
    assert "this asks for 6" in body["detail"]
    assert await gateway.sql("SELECT 1 FROM orders") == []

    await placed(tenant, 4)
    problem(await place(tenant, 2), 429, "quota_exceeded")
    assert (await tenant.buy()).status_code == 200
    problem(await tenant.buy(), 429, "quota_exceeded")
    await buy(gateway)
    assert len(await gateway.teli.purchases()) == 5
    await quotas_are_exact(gateway)


@pytest.mark.parametrize("limit", ["numbers_held", "purchases_per_day", "purchases_per_month", "spend_per_month"])
@pytest.mark.parametrize("scope", ["tenants", "organizations", "users"])
async def test_every_limit_of_every_scope_holds_the_whole_order(gateway: Gateway, limit: str, scope: str):
    tenant = await gateway.tenant()
    path = {
        "tenants": f"tenants/{tenant.id}",
        "organizations": f"organizations/{ORGANIZATION}",
        "users": f"organizations/{ORGANIZATION}/users/{USER}",
    }[scope]
    price = gateway.settings.default_price.first if limit == "spend_per_month" else 1
    most = {limit: 3 * price}
    assert (await gateway.admin.send("PUT", f"/v1/admin/{path}/quotas", json=most)).status_code == 200

    body = problem(await place(tenant, 4), 429, "quota_exceeded")
    quota = body["quota"]
    assert (quota["limit_name"], quota["limit"], quota["asked"]) == (limit, 3 * price, 4 * price)
    await placed(tenant, 3)
    problem(await place(tenant, 1), 429, "quota_exceeded")
    await buy(gateway)
    assert len(await gateway.teli.purchases()) == 3
    await quotas_are_exact(gateway)


async def test_what_is_cancelled_gives_back_exactly_what_was_not_sent(gateway: Gateway, database_url: str):
    # Of four slots orders have three, so that not all can be begun before it is cancelled.
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 4")
    tenant = await gateway.tenant(quota=12)
    order_id = await placed(tenant, 10)
    await gateway.teli.hold("received", times=10)
    sending = asyncio.create_task(buy(gateway))
    held = await gateway.teli.until_held(3)

    answer = await tenant.send("POST", f"/v1/orders/{order_id}/cancel")
    assert answer.status_code == 200, answer.text
    begun = answer.json()["counts"]["begun"]
    assert begun >= len(held)
    assert answer.json()["counts"] == {"begun": begun, "cancelled": 10 - begun}
    await gateway.teli.disarm()
    await gateway.teli.release_holds()
    await sending

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"]) == ("cancelled", {"done": begun, "cancelled": 10 - begun})
    assert len(await gateway.teli.purchases()) == begun
    await quotas_are_exact(gateway)
    # What was given back can be had, and no more.
    problem(await place(tenant, 13 - begun), 429, "quota_exceeded")
    await placed(tenant, 12 - begun)


async def test_who_sees_another_tenants_order_cannot_cancel_it(gateway: Gateway, tenant: Tenant):
    """A tenant's key that sees the whole organisation changes its own tenant's things alone."""
    order_id = await placed(tenant, 2)
    other = await gateway.tenant(scopes=[*TENANT_SCOPES, "admin:read"])
    assert (await other.get(f"/v1/orders/{order_id}")).status_code == 200

    problem(await other.send("POST", f"/v1/orders/{order_id}/cancel"), 403, "not_your_tenant")
    assert (await order(tenant, order_id))["counts"] == {"waiting": 2}
    await buy(gateway)
    assert (await order(tenant, order_id))["state"] == "completed"


async def test_the_same_key_is_the_same_order(gateway: Gateway, tenant: Tenant):
    first = await place(tenant, 3, key="k")
    again = await asyncio.gather(*(place(tenant, 3, key="k") for _ in range(5)))
    await buy(gateway)
    late = await place(tenant, 3, key="k")

    assert {one.json()["order_id"] for one in (first, *again, late)} == {first.json()["order_id"]}
    assert {one.headers.get("Idempotent-Replayed") for one in (*again, late)} == {"true"}
    assert late.json()["state"] == "completed"
    assert len(await gateway.teli.purchases()) == 3
    problem(await place(tenant, 4, key="k"), 422, "idempotency_key_reused")


async def test_a_key_holds_though_the_deadline_has_passed_meanwhile(gateway: Gateway, tenant: Tenant):
    deadline = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    first = await place(tenant, 1, key="k", deadline=deadline)
    await asyncio.sleep(1.1)
    again = await place(tenant, 1, key="k", deadline=deadline)
    assert again.json()["order_id"] == first.json()["order_id"]


async def test_owners_in_turn_and_one_by_one(gateway: Gateway, tenant: Tenant):
    other = (await gateway.teli.user(ORGANIZATION, name="Other"))["unique_id"]
    in_turn = await placed(tenant, 5, user_ids=[USER, other])
    own = [{"user_id": other, "nickname": "{n}"}, {"user_id": USER}]
    one_by_one = await placed(tenant, None, items=own, nickname="x")
    await buy(gateway)

    assert Counter(one["becomes"]["user_id"] for one in await items(tenant, in_turn)) == {USER: 3, other: 2}
    named = await gateway.sql("SELECT user_id, nickname FROM numbers WHERE nickname IS NOT NULL")
    assert set(named) == {(other, "{n}"), (USER, "x")}
    assert len(await items(tenant, one_by_one)) == 2
    await quotas_are_exact(gateway)


async def test_where_teli_has_none_the_next_area_code_is_asked_for(gateway: Gateway, tenant: Tenant):
    await gateway.teli.stock("313", 2)
    await gateway.teli.stock("248", 1)
    order_id = await placed(tenant, 6, area_codes=["313", "248"], fallback=["overlays"], nickname="{area_code}-{n}")
    await buy(gateway)

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"]) == ("completed", {"done": 6})
    # 679 is the overlay of 313, and 947 that of 248.
    found = Counter(one["area_code"] for one in await items(tenant, order_id))
    assert found == {"313": 2, "248": 1, "679": 3}
    names = await gateway.sql("SELECT area_code, nickname FROM numbers")
    assert all(nickname.startswith(f"{area_code}-") for area_code, nickname in names)
    # Once Teli had none, it is not asked again by those that come after.
    asked = len(await gateway.teli.requests("create"))
    await placed(tenant, 4, area_codes=["313", "679"])
    await buy(gateway)
    assert len(await gateway.teli.requests("create")) == asked + 4
    await quotas_are_exact(gateway)


async def test_what_cannot_be_had_gives_its_quota_back(gateway: Gateway):
    tenant = await gateway.tenant(quota=5)
    await gateway.teli.stock("313", 2)
    order_id = await placed(tenant, 5)
    await buy(gateway)

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"]) == ("partial", {"done": 2, "failed": 3})
    assert told["reasons"] == {"no_numbers_available": 3}
    assert {one["detail"] for one in await items(tenant, order_id, outcome="failed")} == {
        "Teli has none in any of the area codes."
    }
    await quotas_are_exact(gateway)
    await placed(tenant, 3, area_codes=["212"])


async def test_what_holds_for_all_of_an_order_ends_it_at_once(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("out_of_stock", probability=1.0)
    await placed(tenant, 1)
    await buy(gateway)
    [(before,)] = await gateway.sql("SELECT pass FROM order_shares")
    order_id = await placed(tenant, 200)
    await buy(gateway)
    assert (await order(tenant, order_id))["reasons"] == {"no_numbers_available": 200}
    [(after,)] = await gateway.sql("SELECT pass FROM order_shares")
    assert after - before <= 4
    await quotas_are_exact(gateway)


async def test_an_order_of_all_or_none_sends_nothing_more_once_one_cannot_be_had(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 2")
    await gateway.teli.stock("313", 2)
    order_id = await placed(tenant, 20, fulfilment="all")
    await buy(gateway)

    told = await order(tenant, order_id)
    assert told["state"] == "partial"
    assert told["counts"]["done"] == 2
    assert told["counts"]["cancelled"] + told["counts"]["failed"] == 18
    assert told["reasons"]["not_all"] == told["counts"]["cancelled"]
    assert len([one for one in await items(tenant, order_id) if one["phone_number"]]) == 2
    await quotas_are_exact(gateway)


async def test_nothing_is_sent_after_the_deadline(gateway: Gateway, tenant: Tenant, database_url: str):
    problem(await place(tenant, deadline="2020-01-01T00:00:00Z"), 400, "invalid_request")
    order_id = await placed(tenant, 3, deadline=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await gateway.sql("UPDATE send_slots SET intent_id = gen_random_uuid(), held_until = now() + interval '1 day'")
    await buy(gateway, until_over=False)
    await gateway.sql("UPDATE send_slots SET intent_id = NULL")
    await by_hand(database_url, "UPDATE orders SET deadline = now() - interval '1 second'")
    await buy(gateway)

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"], told["reasons"]) == ("failed", {"failed": 3}, {"deadline_passed": 3})
    assert await gateway.teli.purchases() == []
    await quotas_are_exact(gateway)


async def test_what_was_admitted_before_the_deadline_does_not_leave_after_it(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, database_url: str
):
    """As where a worker stands still between its admission and its request, for less than the money stop allows."""
    admit = Ledger.admit

    async def late(ledger: Ledger, ask: dict[str, Any]) -> Admission:
        admission = await admit(ledger, ask)
        monkeypatch.setattr("service.teli.client.wall", lambda: time.time() + 7200)
        return replace(admission, send_by=SendBy.within(60))

    monkeypatch.setattr(Ledger, "admit", late)
    order_id = await placed(tenant, 1, deadline=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    await buy(gateway, until_over=False)
    assert {decision for (decision,) in await gateway.sql("SELECT decision FROM intents")} == {"never_sent"}
    assert await gateway.teli.requests("create") == []
    await by_hand(database_url, "UPDATE orders SET deadline = now() - interval '1 second'")
    await buy(gateway)
    told = await order(tenant, order_id)
    assert (told["state"], told["reasons"]) == ("failed", {"deadline_passed": 1})
    await quotas_are_exact(gateway)


async def test_a_dry_run_tells_what_it_would_come_to_and_writes_nothing(gateway: Gateway):
    tenant = await gateway.tenant(quota=5)
    before = await gateway.sql("SELECT to_jsonb(q) FROM quotas q")
    shown = await place(tenant, 4, key="k", dry_run=True, nickname="S {n:02}", fallback=["neighbours"])
    assert shown.status_code == 200, shown.text
    told = shown.json()
    price = gateway.settings.default_price
    assert told["price"] == {
        "currency": price.currency, "setup": 4 * price.setup, "monthly": 4 * price.monthly, "at_once": 4 * price.first,
    }  # fmt: skip
    assert (told["allowed"], told["why_not"], told["nicknames"]) == (True, None, ["S 01", "S 02", "S 03", "S 04"])
    assert told["area_codes"][:2] == ["313", "679"]
    [limit] = told["limits"]
    assert (limit["limit_name"], limit["limit"], limit["used"], limit["asked"]) == ("numbers_held", 5, 0, 4)
    assert limit["allowed"]
    beyond = (await place(tenant, 6, dry_run=True)).json()
    assert not beyond["allowed"]
    assert "this asks for 6" in beyond["why_not"]
    [limit] = beyond["limits"]
    assert (limit["limit_name"], limit["limit"], limit["asked"], limit["allowed"]) == ("numbers_held", 5, 6, False)

    assert await gateway.sql("SELECT 1 FROM orders") == await gateway.sql("SELECT 1 FROM idempotency_keys") == []
    assert await gateway.sql("SELECT to_jsonb(q) FROM quotas q") == before


async def test_a_dry_run_tells_of_a_limit_that_others_count_in_whether_there_is_room_and_no_more(gateway: Gateway):
    tenant = await gateway.tenant()
    path = f"/v1/admin/organizations/{ORGANIZATION}/quotas"
    for most, allowed in ((4, True), (3, False)):
        put = await gateway.admin.send("PUT", path, json={"numbers_held": most, "mode": "shadow"})
        assert put.status_code == 200, put.text
        shown = (await place(tenant, 4, dry_run=True)).json()
        assert shown["allowed"]
        [limit] = shown["limits"]
        assert (limit["scope"], limit["allowed"], limit["asked"]) == ("organization", allowed, 4)
        assert (limit["limit"], limit["used"], limit["reserved"]) == (None, None, None)


NICKNAMES = {
    "{area_code} {place}": "unknown placeholder {place}",
    "{n.__class__}": "unknown placeholder {n.__class__}",
    "{n[0]}": "unknown placeholder",
    "{}": "unknown placeholder",
    "{n!r}": "must not convert",
    "{n:>99}": "cannot write",
    "{area_code:5}": "cannot write",
    "{n": "is no template",
    "[ABCDEFGHJKMNP] x": "must not begin like one of our marks",
}


@pytest.mark.parametrize("nickname", NICKNAMES)
async def test_a_template_that_cannot_be_filled_is_refused(tenant: Tenant, nickname: str):
    body = problem(await place(tenant, nickname=nickname), 400, "invalid_request")
    assert body["errors"][0]["pointer"] == "/nickname"
    assert NICKNAMES[nickname] in body["errors"][0]["detail"]


async def test_a_template_that_would_name_two_the_same_is_refused_where_that_is_asked(tenant: Tenant):
    refused = problem(await place(tenant, nickname="Sales", unique_nicknames=True), 400, "invalid_request")
    assert "would name two of them 'Sales'" in refused["errors"][0]["detail"]
    assert (await place(tenant, 1, nickname="Sales", unique_nicknames=True)).status_code == 202
    assert (await place(tenant, nickname="Sales")).status_code == 202
    assert (await place(tenant, nickname="{n} Sales", unique_nicknames=True)).status_code == 202
    problem(await place(tenant, nickname="x" * 99 + "{n:02}"), 400, "invalid_request")


async def test_a_template_is_looked_at_in_every_area_code_that_may_be_asked_for(tenant: Tenant):
    items = [{"user_id": USER, "nickname": "Sales 248"}, {"user_id": USER}]
    asked = {"items": items, "area_codes": ["313", "248"], "nickname": "Sales {area_code}", "unique_nicknames": True}
    refused = problem(await place(tenant, None, **asked), 400, "invalid_request")
    assert "would name two of them 'Sales 248'" in refused["errors"][0]["detail"]
    assert (await place(tenant, None, **asked | {"area_codes": ["313"]})).status_code == 202


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 0}, {"quantity": -1}, {"quantity": 10_001}, {"quantity": "3"}, {"quantity": None},
        {"area_codes": []}, {"user_ids": [USER]}, {"user_id": None}, {"fulfilment": "most"}, {"fallback": ["far"]},
        {"deadline": 5}, {"colour": "red"}, {"items": [{"user_id": USER}], "user_id": None, "quantity": 2},
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_is_refused(gateway: Gateway, tenant: Tenant, wrong: dict[str, Any]):
    answer = await tenant.send("POST", "/v1/orders", json=wanted() | wrong)
    problem(answer, 400, "invalid_request")
    assert await gateway.sql("SELECT 1 FROM orders") == []


async def test_an_unknown_area_code_or_user_is_refused_and_nothing_reserved(gateway: Gateway, tenant: Tenant):
    problem(await place(tenant, area_codes=["313", "000"]), 400, "invalid_area_code")
    body = problem(await place(tenant, user_ids=[USER, "nobody"]), 400, "invalid_request")
    assert "nobody" in body["errors"][0]["detail"]
    await quotas_are_exact(gateway)


async def test_what_teli_refused_for_a_while_is_asked_for_again(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("too_many_requests", 2)
    order_id = await placed(tenant, 3)
    await buy(gateway)

    assert (await order(tenant, order_id))["counts"] == {"done": 3}
    assert len(await gateway.teli.purchases()) == 3
    tries = await gateway.sql("SELECT sum(tries), count(*) FROM order_items")
    assert tries == [(2, 3)]
    assert await gateway.sql("SELECT count(*) FROM intents WHERE order_id IS NOT NULL") == [(5,)]
    await quotas_are_exact(gateway)


async def test_whoever_lost_an_admission_refuses_no_purchase_of_another_for_the_same_item(
    gateway: Gateway, tenant: Tenant, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """It refuses what it may have been admitted for, for longer than its claim on the item lasts."""
    admit, asked = Ledger.admit, iter(range(1_000))

    async def lost_at_first(ledger: Ledger, ask: dict[str, Any]) -> Admission:
        if next(asked) == 0:
            raise CommitUnknown
        return await admit(ledger, ask)

    monkeypatch.setattr(Ledger, "admit", lost_at_first)
    order_id = await placed(tenant, 1)
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    with pytest.raises(StorageUnavailable):
        await gateway.worker.buying.send(account)
    await by_hand(database_url, "UPDATE order_items SET claimed_until = now() - interval '1 second'")
    await gateway.teli.switch(latency_ms={"create": 3_000})
    await buy(gateway)

    assert (await order(tenant, order_id))["counts"] == {"done": 1}
    assert len(await gateway.teli.purchases()) == 1
    assert await gateway.sql("SELECT tries FROM order_items") == [(0,)]
    await quotas_are_exact(gateway)


async def test_a_limit_that_was_lowered_meanwhile_is_not_passed(gateway: Gateway):
    tenant = await gateway.tenant(quota=10)
    order_id = await placed(tenant, 10)
    await gateway.put_quotas(tenant, numbers_held=4)
    await buy(gateway)

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"]) == ("partial", {"done": 4, "failed": 6})
    assert told["reasons"] == {"quota_exceeded": 6}
    await quotas_are_exact(gateway)


async def test_an_item_in_doubt_that_is_resolved_late_is_told_by_its_order(gateway: Gateway, tenant: Tenant):
    order_id = await placed(tenant, 3)
    await gateway.teli.arm("server_error", 1, step="answering")
    sending = asyncio.create_task(buy(gateway))
    async with asyncio.timeout(30):
        while await gateway.sql("SELECT state FROM intents WHERE order_id IS NOT NULL AND state = 'doubtful'") == []:
            await asyncio.sleep(0.05)
    told = await order(tenant, order_id)
    assert told["state"] == "running"
    await gateway.look_everywhere()
    await sending

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"]) == ("completed", {"done": 3})
    assert len(await gateway.teli.purchases()) == 3
    await quotas_are_exact(gateway)


async def test_a_purchase_that_left_no_trace_is_written_off_and_never_bought_anew(open_gateway: OpenGateway):
    """As where a worker dies between the admission and the request: nobody can know, so a person is told, and after
    the write-off its quota is free, its item is over, and so is the order.
    """
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9, write_off=1.5) as gateway:
        await use_marks(gateway)
        tenant = await gateway.tenant(quota=2)
        await gateway.teli.arm("server_error", 1, step="received")
        order_id = await placed(tenant, 2)
        sending = asyncio.create_task(buy(gateway))
        async with asyncio.timeout(60):
            while (await order(tenant, order_id))["counts"] != {"done": 1, "failed": 1}:
                await asyncio.sleep(0.2)
                await look_again(gateway)
        await sending
        await gateway.worker.order_work.close()
        told = await order(tenant, order_id)
        assert (told["state"], told["reasons"]) == ("partial", {"nothing_bought": 1})
        assert await gateway.sql("SELECT count(*) FROM outbox WHERE kind = 'number.unresolved'") == [(1,)]
        assert len(await gateway.teli.purchases()) == 1
        await quotas_are_exact(gateway)


async def test_an_order_that_was_over_tells_of_what_turned_up_later(gateway: Gateway, tenant: Tenant):
    order_id = await placed(tenant, 2)
    await gateway.teli.arm("server_error", 1, step="answering")
    sending = asyncio.create_task(buy(gateway))
    async with asyncio.timeout(30):
        while await gateway.sql("SELECT 1 FROM intents WHERE order_id IS NOT NULL AND state = 'doubtful'") == []:
            await asyncio.sleep(0.05)
    await gateway.sql("UPDATE intents SET state = 'unresolved' WHERE state = 'doubtful'")
    await sending
    told = await order(tenant, order_id)
    assert (told["state"], told["counts"]) == ("partial", {"done": 1, "unresolved": 1})

    await gateway.look_everywhere()
    await gateway.worker.order_work.close()

    told = await order(tenant, order_id)
    assert (told["state"], told["counts"]) == ("completed", {"done": 2})
    assert {kind for kind, in await gateway.sql("SELECT kind FROM outbox WHERE kind LIKE 'order.%'")} == {
        "order.partial", "order.completed",
    }  # fmt: skip
    await quotas_are_exact(gateway)


async def test_what_was_ordered_before_midnight_counts_in_the_day_it_was_ordered(gateway: Gateway, database_url: str):
    tenant = await gateway.tenant()
    await gateway.put_quotas(tenant, purchases_per_day=3)
    await placed(tenant, 3)
    await by_hand(database_url, "UPDATE order_items SET counted_at = counted_at - interval '1 day'")
    await by_hand(
        database_url,
        "UPDATE quotas SET day = day - 1, month = date_trunc('month', day - 1)::date WHERE scope = 'tenant'",
    )
    # Today has its own three.
    assert (await tenant.buy()).status_code == 200
    await buy(gateway)
    assert len(await gateway.teli.purchases()) == 4
    [(used, reserved)] = await gateway.sql("SELECT day_used, day_reserved FROM quotas WHERE scope = 'tenant'")
    assert (used, reserved) == (1, 0)
    await quotas_are_exact(gateway)


async def test_purchases_one_by_one_go_ahead_and_orders_leave_them_slots(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 4")
    await placed(tenant, 8)
    await gateway.teli.hold("received", times=8)
    sending = asyncio.create_task(buy(gateway))
    await gateway.teli.until_held(3)
    await asyncio.sleep(0.5)
    assert len(await gateway.teli.holds()) == 3
    await gateway.teli.disarm()

    assert (await tenant.buy()).status_code == 200
    await gateway.teli.release_holds()
    await sending
    assert len(await gateway.teli.purchases()) == 9


async def test_tenants_take_turns_however_much_one_has_ordered(gateway: Gateway, database_url: str):
    await by_hand(database_url, "DELETE FROM send_slots WHERE slot > 2")
    many, few = await gateway.tenant(), await gateway.tenant()
    await placed(many, 12)
    await placed(few, 4)
    await buy(gateway)
    sent = await gateway.sql("SELECT tenant_id FROM intents WHERE order_id IS NOT NULL ORDER BY admitted_at")
    assert Counter(tenant_id for (tenant_id,) in sent[:8]) == {many.id: 4, few.id: 4}


async def test_two_workers_at_once_buy_no_more_than_was_ordered(gateway: Gateway, tenant: Tenant):
    order_id = await placed(tenant, 30)
    await asyncio.gather(buy(gateway), *(_buy_with_another(gateway) for _ in range(2)))
    assert (await order(tenant, order_id))["counts"] == {"done": 30}
    assert len(await gateway.teli.purchases()) == 30
    await quotas_are_exact(gateway)


async def _buy_with_another(gateway: Gateway) -> None:
    """As another worker would, which knows of the first one only what the database tells."""
    mine = gateway.worker
    other = Buying(OrderQueue(mine.database), mine.numbers.provisioning, mine.principals)
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    while await gateway.sql("SELECT 1 FROM orders WHERE state IN ('pending', 'running')"):
        await other.send(account)
        await asyncio.sleep(0.01)


async def test_a_stop_holds_orders_up_and_refuses_new_ones(gateway: Gateway, tenant: Tenant):
    order_id = await placed(tenant, 3)
    stop = {"scope": "tenant", "id": tenant.id, "reason": "a test"}
    assert (await gateway.admin.send("POST", "/v1/admin/stop", json=stop)).status_code == 200
    problem(await place(tenant, 1), 503, "purchases_stopped")
    await buy(gateway, until_over=False)
    assert await gateway.teli.purchases() == []
    assert (await gateway.admin.send("POST", "/v1/admin/resume", json=stop)).status_code == 200
    await buy(gateway)
    assert (await order(tenant, order_id))["counts"] == {"done": 3}


async def test_a_purchase_order_is_not_undone(gateway: Gateway, tenant: Tenant):
    order_id = await placed(tenant, 1)
    await buy(gateway)
    body = problem(await tenant.send("POST", f"/v1/orders/{order_id}/undo"), 409, "state_conflict")
    assert "released" in body["detail"]
    problem(await tenant.send("POST", f"/v1/orders/{order_id}/cancel"), 409, "state_conflict")
