"""The money stop: what it holds up, for whom, how fast, and who may pull it."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.support.gateway import Gateway, Tenant


async def order(who: Tenant, verb: str, **body: Any) -> httpx.Response:
    return await who.send("POST", f"/v1/admin/{verb}", json={"reason": "a test", **body})


async def stopped(who: Tenant, **body: Any) -> dict[str, Any]:
    answer = await order(who, "stop", **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_global_stop_holds_up_every_purchase_and_nothing_else(gateway: Gateway, tenant: Tenant):
    held = await tenant.bought(key="before")
    await gateway.follow_up()
    told = await stopped(gateway.operator, scope="global")

    refused = await tenant.buy()
    assert problem(refused, 503, "purchases_stopped")["suspended"] is False
    assert refused.headers["Retry-After"]
    assert (await tenant.buy(key="before")).json() == held
    assert (await tenant.get("/v1/numbers")).json()["total"]["value"] == 1
    number = held["phone_number"]
    assert (await tenant.send("DELETE", f"/v1/voice/phone-numbers/{number}")).status_code in (200, 202)
    assert len(await gateway.teli.purchases()) == 1

    assert (told["scope"], told["id"], told["stopped"], told["reason"]) == ("global", None, True, "a test")
    assert (await gateway.ready()).json()["purchases"] == "stopped"
    answer = await order(gateway.operator, "resume", scope="global")
    assert (answer.status_code, answer.json()["stopped"]) == (200, False)
    assert (await gateway.ready()).json()["purchases"] == "open"
    await tenant.bought()


async def test_a_stop_of_one_tenant_holds_up_that_tenant_alone(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    await stopped(gateway.admin, scope="tenant", id=tenant.id)

    problem(await tenant.buy(), 503, "purchases_stopped")
    await other.bought()
    assert (await gateway.ready()).json()["purchases"] == "partly_stopped"


async def test_an_account_is_stopped_by_its_name_or_its_id(gateway: Gateway, tenant: Tenant):
    told = await stopped(gateway.operator, scope="account", id="default")
    problem(await tenant.buy(), 503, "purchases_stopped")

    assert (await order(gateway.operator, "resume", scope="account", id=told["id"].upper())).status_code == 200
    await tenant.bought()


async def test_two_stops_are_two_and_each_is_resumed_by_itself(gateway: Gateway, tenant: Tenant):
    await stopped(gateway.operator, scope="global")
    await stopped(gateway.operator, scope="tenant", id=tenant.id)
    page = (await gateway.operator.get("/v1/admin/stops")).json()
    assert [(one["scope"], one["id"]) for one in page["items"]] == [("tenant", tenant.id), ("global", None)]
    assert page["total"] == {"value": 2, "exact": True}

    await order(gateway.operator, "resume", scope="global")
    problem(await tenant.buy(), 503, "purchases_stopped")
    await order(gateway.operator, "resume", scope="tenant", id=tenant.id)
    await tenant.bought()


async def test_a_repeated_stop_keeps_its_first_reason_and_every_change_is_audited_once(gateway: Gateway):
    first = await stopped(gateway.operator, scope="global", reason="the first")
    again = await stopped(gateway.operator, scope="global", reason="the second")
    assert again == first

    for _ in range(2):
        assert (await order(gateway.operator, "resume", scope="global", reason="mended")).status_code == 200
    found = await gateway.sql("SELECT action, after->>'reason' FROM audit WHERE action LIKE 'purchases.%' ORDER BY id")
    assert found == [("purchases.stopped", "the first"), ("purchases.resumed", "mended")]


async def test_a_tenants_key_may_not_stop_and_not_see_what_is_stopped(gateway: Gateway, tenant: Tenant):
    problem(await order(tenant, "stop", scope="global"), 403, "scope_missing")
    problem(await order(tenant, "resume", scope="global"), 403, "scope_missing")
    problem(await tenant.get("/v1/admin/stops"), 403, "scope_missing")
    assert await gateway.sql("SELECT count(*) FROM stops") == [(0,)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scope": "everything"}, "/scope"),
        ({"scope": "global", "id": "dialler"}, "/id"),
        ({"scope": "tenant"}, "/id"),
        ({"scope": "tenant", "id": "nobody"}, "/id"),
        ({"scope": "account", "id": "not an account"}, "/id"),
        ({"scope": "account", "id": "5b0c6d0e-6a7a-4c55-9a37-0f2d5f6f1a01"}, "/id"),
        ({"scope": "global", "reason": ""}, "/reason"),
        ({"scope": "global", "reason": None}, "/reason"),
        ({"scope": "global", "until": "tomorrow"}, "/until"),
    ],
)
async def test_an_order_that_names_nothing_there_is_refused_naming_the_field(
    gateway: Gateway, body: dict[str, Any], pointer: str
):
    for verb in ("stop", "resume"):
        answer = problem(await order(gateway.operator, verb, **body), 400, "invalid_request")
        assert [one["pointer"] for one in answer["errors"]] == [pointer]
    assert await gateway.sql("SELECT count(*) FROM stops") == [(0,)]


async def test_pulled_under_load_whatever_is_asked_after_its_answer_buys_nothing_on_any_replica(
    open_gateway: OpenGateway,
):
    """What was admitted before leaves within a second, or never: tests/numbers and tests/teli hold the sender to it."""
    async with open_gateway() as one, open_gateway() as other:
        tenant = await one.tenant()
        await one.mark_mode(tenant)
        elsewhere = Tenant(other.http, tenant.id, tenant.key)
        enough = asyncio.Event()
        answers: list[tuple[float, httpx.Response]] = []

        async def buy(who: Tenant) -> None:
            while not enough.is_set():
                asked = time.monotonic()
                answers.append((asked, await who.buy()))

        buyers = [asyncio.create_task(buy(who)) for who in (tenant, elsewhere) * 4]
        while sum(answer.status_code == 200 for _, answer in answers) < 20:
            await asyncio.sleep(0.05)
        await stopped(one.operator, scope="global")
        told = time.monotonic()
        while sum(asked > told for asked, _ in answers) < 40:
            await asyncio.sleep(0.05)
        enough.set()
        await asyncio.gather(*buyers)

        after = [answer for asked, answer in answers if asked > told]
        assert {(answer.status_code, answer.json()["code"]) for answer in after} == {(503, "purchases_stopped")}
        bought = sum(answer.status_code == 200 for _, answer in answers)
        assert len(await one.teli.purchases()) == bought + 1
