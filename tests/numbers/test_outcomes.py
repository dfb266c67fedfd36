"""Every outcome of a create, end to end: what the caller hears, what the ledger holds, what was paid for."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.numbers.ledger import check, intents, outcome, quota
from tests.support.gateway import Gateway, Tenant

# fault, its parameters; status, code; carrier's purchases
REFUSALS = [
    ("out_of_stock", {}, 409, "no_numbers_available", 0),
    ("unauthorized", {}, 503, "upstream_unavailable", 0),
    ("unauthorized", {"status": 403}, 503, "upstream_unavailable", 0),
    ("too_many_requests", {}, 503, "upstream_unavailable", 0),
    ("server_error", {"status": 400, "error": "area_code and user_id required"}, 502, "upstream_refused", 0),
]
DOUBTS = [
    ("server_error", {}, 0),
    ("server_error", {"message": None}, 0),
    ("server_error", {"step": "bought"}, 1),
    ("server_error", {"status": 404}, 0),
    ("server_error", {"status": 409}, 0),
    ("server_error", {"status": 422}, 0),
    ("server_error", {"status": 503, "message": "No numbers available in area code 313"}, 0),
    ("server_error", {"error": "No numbers available in area code 313", "message": None}, 0),
    ("server_error", {"message": "No numbers available in area code 312"}, 0),
    ("html_error", {}, 1),
    ("html_error", {"step": "received", "status": 504}, 0),
    ("empty_body", {}, 1),
    ("empty_body", {"status": 204}, 1),
    ("cut_json", {}, 1),
    ("cut_json", {"step": "received"}, 0),
    ("success_false", {}, 1),
    ("no_number", {"form": "left_out"}, 1),
    ("no_number", {"form": "null"}, 1),
    ("no_number", {"form": "success_false"}, 1),
    ("no_number", {"form": "accepted"}, 1),
    ("reset", {"step": "received"}, 0),
    ("reset", {"step": "bought"}, 1),
    ("reset", {"step": "answering"}, 1),
    ("not_recorded", {}, 1),
    ("see_other", {"origin": "http://elsewhere.example"}, 1),
]
SALES = [
    ("slow", {"seconds": 0.3}),
    ("other_area_code", {}),
    ("not_recorded", {"status": 200}),
    ("not_linked", {}),
    ("see_other", {}),
    ("odd_json", {"form": "extra_fields"}),
    ("odd_json", {"form": "nulls"}),
    ("odd_json", {"form": "reversed"}),
    ("rival_purchase", {}),
]


def named(cases: list[Any]) -> list[str]:
    return [" ".join([case[0], *map(str, case[1].values())]) for case in cases]


@pytest.mark.parametrize(("fault", "params", "status", "code", "bought"), REFUSALS, ids=named(REFUSALS))
async def test_a_refusal_says_why_and_gives_the_quota_back(
    gateway: Gateway, fault: str, params: dict[str, Any], status: int, code: str, bought: int
):
    tenant = await gateway.tenant(quota=1)
    await gateway.teli.arm(fault, **params)

    answer = await tenant.buy(key="k")

    assert (answer.status_code, outcome(answer.json())) == (status, code)
    assert answer.json()["success"] is False
    assert "teli-test-key" not in answer.text
    assert await intents(gateway, tenant) == ["refused"]
    assert await quota(gateway, tenant) == (0, 0)
    assert (await gateway.teli.counts())["bought"] == bought
    assert await recorded(gateway, tenant) == ("intent.refused", "number.refused", "answer")
    await check(gateway)
    assert (await tenant.bought(key="another"))["success"] is True  # The quota of one is free again.


@pytest.mark.parametrize(("fault", "params", "bought"), DOUBTS, ids=named(DOUBTS))
async def test_a_doubt_is_a_202_and_keeps_the_quota(gateway: Gateway, fault: str, params: dict[str, Any], bought: int):
    tenant = await gateway.tenant(quota=1)
    await gateway.teli.arm(fault, **params)

    answer = await tenant.buy(key="k", nickname="Sales")

    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/operations/{body['operation_id']}"
    assert body == {"success": False, "pending": True, "operation_id": body["operation_id"], "state": "pending"}
    assert await intents(gateway, tenant) == ["doubtful"]
    assert await quota(gateway, tenant) == (0, 1)
    assert (await tenant.buy()).json()["code"] == "quota_exceeded"
    counts = await gateway.teli.counts()
    async with asyncio.timeout(3):
        while (counts := await gateway.teli.counts())["bought"] < bought:
            await asyncio.sleep(0.02)
    assert (counts["bought"], counts["creates"]) == (bought, 1)
    kind = "broken" if fault == "reset" else "answer"
    assert await recorded(gateway, tenant) == ("intent.doubtful", "number.doubtful", kind)
    [doubt] = (await gateway.operator.get("/v1/admin/doubts")).json()["items"]
    assert (doubt["id"], doubt["state"], doubt["nickname"]) == (body["operation_id"], "doubtful", "Sales")
    assert [one["kind"] for one in doubt["evidence"]] == [kind]
    operation = await tenant.operation(body["operation_id"])
    assert (operation["state"], operation["number_id"]) == ("pending", None)
    await check(gateway)


@pytest.mark.parametrize(("fault", "params"), SALES, ids=named(SALES))
async def test_a_sale_is_a_200_however_it_came(gateway: Gateway, fault: str, params: dict[str, Any]):
    tenant = await gateway.tenant(quota=1)
    await gateway.teli.arm(fault, **params)

    body = await tenant.bought(key="k")

    assert UUID(body["id"])
    assert await intents(gateway, tenant) == ["owned"]
    assert await quota(gateway, tenant) == (1, 0)
    assert body["phone_number"] in [one["phone_number"] for one in await gateway.teli.purchases()]
    assert body["area_code"] == body["phone_number"][2:5]
    assert await gateway.sql("SELECT phone_number, area_code FROM numbers") == [
        (body["phone_number"], body["phone_number"][2:5])
    ]
    assert await recorded(gateway, tenant) == ("intent.owned", "number.acquired", "answer")
    operation = await tenant.operation(body["operation_id"])
    assert (operation["state"], operation["result"], operation["number_id"]) == ("succeeded", body, body["id"])
    assert [one["method"] for one in await gateway.teli.requests("create")].count("POST") == 1
    await check(gateway)


async def recorded(gateway: Gateway, tenant: Tenant) -> tuple[str, str, str]:
    """The one audit row, the one event and the one piece of evidence of the tenant's one intent."""
    where = "tenant_id = :tenant"
    [(audit,)] = await gateway.sql(
        f"SELECT action FROM audit WHERE object_kind = 'intent' AND {where}", tenant=tenant.id
    )
    [(event,)] = await gateway.sql(f"SELECT kind FROM outbox WHERE intent_id IS NOT NULL AND {where}", tenant=tenant.id)
    [(kind,)] = await gateway.sql(f"SELECT kind FROM evidence WHERE {where}", tenant=tenant.id)
    return audit, event, kind


async def test_an_upstream_that_is_gone_was_never_sent_anything(gateway: Gateway):
    tenant = await gateway.tenant(quota=1)
    await gateway.teli.offline()

    answer = await tenant.buy(key="k")
    await gateway.teli.online()

    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert await intents(gateway, tenant) == ["refused"]
    assert await quota(gateway, tenant) == (0, 0)
    assert await recorded(gateway, tenant) == ("intent.refused", "number.refused", "never_sent")


async def test_a_number_the_account_already_holds_is_a_doubt_without_a_number(gateway: Gateway):
    first, second = await gateway.tenant(), await gateway.tenant(quota=1)
    held = await first.bought()
    await gateway.teli.arm("already_held", phone_number=held["phone_number"])

    answer = await second.buy(key="k")

    assert answer.status_code == 202
    assert held["phone_number"] not in answer.text
    assert await gateway.sql("SELECT state, decision, number_id FROM intents WHERE tenant_id = :t", t=second.id) == [
        ("doubtful", "number_already_held", None)
    ]
    assert await quota(gateway, second) == (0, 1)
    assert len(await gateway.sql("SELECT id FROM numbers")) == 1
    await check(gateway)


async def test_a_number_from_before_numbergate_is_a_doubt_too(gateway: Gateway, tenant: Tenant):
    await gateway.sql(
        "INSERT INTO existing_numbers (account_id, row_id, phone_number) SELECT id, 'row', '+13135550100' FROM accounts"
    )
    await gateway.teli.arm("already_held", phone_number="+13135550100")

    assert (await tenant.buy()).status_code == 202
    assert await intents(gateway, tenant) == ["doubtful"]


async def test_the_money_stop_refuses_before_anything_is_sent(gateway: Gateway):
    tenant = await gateway.tenant(quota=1)
    for scope, named in (("global", ""), ("tenant", tenant.id), ("account", None)):
        await gateway.sql(
            "INSERT INTO stops (scope, id, reason, actor)"
            " SELECT :scope, coalesce(:named, a.id::text), 'test', 'test' FROM accounts a",
            scope=scope,
            named=named,
        )
        answer = await tenant.buy(key="k")
        assert (answer.status_code, answer.json()["code"]) == (503, "purchases_stopped")
        assert "retry-after" in answer.headers
        async with gateway.services.database.acting(duty="operator") as session:
            await session.execute(text("DELETE FROM stops"))

    assert await intents(gateway, tenant) == []
    assert (await gateway.teli.counts())["creates"] == 0
    assert (await tenant.bought(key="k"))["success"] is True
    await gateway.sql("INSERT INTO stops (scope, reason, actor) VALUES ('global', 'test', 'test')")
    assert (await tenant.buy(key="k")).headers["idempotent-replayed"] == "true"
    assert (await gateway.http.get("/readyz")).status_code == 200


async def test_another_tenants_stop_stops_nobody_else(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    await gateway.sql("INSERT INTO stops (scope, id, reason, actor) VALUES ('tenant', :t, 'test', 'test')", t=other.id)

    assert (await tenant.buy()).status_code == 200


async def test_a_suspended_tenant_buys_nothing(gateway: Gateway, tenant: Tenant):
    await gateway.sql("UPDATE tenants SET state = 'suspended' WHERE id = :tenant", tenant=tenant.id)

    assert (await tenant.buy()).json()["code"] == "purchases_stopped"
    assert (await gateway.teli.counts())["creates"] == 0


async def test_until_the_account_was_listed_nothing_is_bought(gateway: Gateway, tenant: Tenant):
    await gateway.sql("UPDATE accounts SET listed_at = NULL")

    answer = await tenant.buy()

    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
    assert "retry-after" in answer.headers
    assert (await gateway.teli.counts())["creates"] == 0


async def test_what_is_sent_is_the_wish_headed_by_the_mark(gateway: Gateway, tenant: Tenant):
    await tenant.bought(nickname="Sales", tenant_id=tenant.id, cost_center="x", tags=["a"])

    [sent] = await gateway.teli.requests("create")
    [(mark, nickname)] = await gateway.sql("SELECT mark, upstream_nickname FROM numbers")
    assert sent["body"] == {
        "area_code": "313",
        "user_id": "1762896366429x599348279945132448",
        "organization_id": "1762896364768x389173798861431550",
        "tenant_id": "your_tenant",
        "nickname": f"{mark}Sales",
    }
    assert nickname == f"{mark}Sales"
