"""Every price that is shown is that of the price book: what finance filed, for whom and from when on."""

from datetime import timedelta
from typing import Any

import pytest

from service.kit.clock import utc_now
from service.kit.money import months_later
from service.tenants.administration import TENANT_SCOPES
from tests.calls.reading import held_for, read_all
from tests.orders.desk import RELEASE, place, preview
from tests.support.gateway import AUTHOR, ORGANIZATION, Gateway, Tenant


@pytest.fixture
async def finance(gateway: Gateway) -> Tenant:
    issued = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "test")
    return Tenant(gateway.http, "", issued.key)


async def filed(finance: Tenant, monthly: int, **of: Any) -> str:
    said = {"since": "2020-01-01", "setup": 0, "monthly": monthly} | of
    answer = await finance.send("POST", "/v1/billing/prices", json=said)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def costs(tenant: Tenant, number: dict[str, Any]) -> dict[str, Any]:
    answer = await tenant.get(f"/v1/numbers/{number['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["costs"]
    return found


async def charged(finance: Tenant) -> int:
    """So far, by the statements of the last months."""
    months = [months_later(utc_now().replace(day=1), -ago) for ago in range(5)]
    found = [(await finance.get(f"/v1/billing/statements/{month:%Y-%m}")).json()["totals"] for month in months]
    return sum(one["so_far"] for totals in found for one in totals)


async def test_a_number_costs_what_finance_filed_for_its_organisation_whoever_looks(
    gateway: Gateway, tenant: Tenant, finance: Tenant
):
    number = await tenant.bought()
    price = await filed(finance, 2_990_000, setup=500_000, organization_id=ORGANIZATION)
    await filed(finance, 7_000_000, area_code="415")

    told = await costs(tenant, number)

    assert (told["to_date"], told["monthly"], told["next_charge"]) == (3_490_000, 2_990_000, 2_990_000)
    assert (told["source"], told["price_id"]) == ("price_book", price)
    neighbour = await gateway.tenant(scopes=["numbers:read", "inventory:org"])
    for reader in (neighbour, gateway.operator, gateway.admin):
        assert await costs(reader, number) == told


async def test_what_a_number_cost_to_date_is_what_its_statements_charge(
    gateway: Gateway, tenant: Tenant, finance: Tenant
):
    number = await tenant.bought()
    await held_for(gateway, 100)
    await filed(finance, 3_000_000, since=f"{utc_now() - timedelta(days=50):%Y-%m-%d}", area_code="313")
    for rule in ({}, {"cycle": "calendar", "proration": "daily", "due": "arrears"}, {"free_days": 40}):
        await finance.send("PUT", "/v1/billing/charging-rule", json=rule)
        assert (await costs(tenant, number))["to_date"] == await charged(finance) > 0


async def test_the_next_charge_is_at_the_price_that_is_filed_for_that_day(tenant: Tenant, finance: Tenant):
    number = await tenant.bought()
    await filed(finance, 9_000_000, since=f"{utc_now() + timedelta(days=7):%Y-%m-%d}")

    told = await costs(tenant, number)

    assert (told["monthly"], told["next_charge"]) == (1_000_000, 9_000_000)
    assert told["next_charge_at"][:10] == f"{months_later(utc_now(), 1):%Y-%m-%d}"


@pytest.mark.parametrize("decided_by", ["a listing", "a person"])
async def test_what_a_doubt_brought_costs_what_is_sold_there_costs(
    gateway: Gateway, tenant: Tenant, finance: Tenant, decided_by: str
):
    await tenant.bought()
    price = await filed(finance, 3_000_000, number_type="teli-voice-twilio")
    await filed(finance, 9_000_000, number_type="teli-voice")
    await gateway.teli.arm("reset", step="answering")
    operation_id = (await tenant.buy(key="k1", prefer="wait=2")).json()["operation_id"]
    if decided_by == "a listing":
        await gateway.worker.resolver.run()
    else:
        bought = (await gateway.teli.purchases())[-1]["phone_number"]
        decision = {"decision": "owned", "reason": "seen in the dashboard", "phone_number": bought}
        answer = await gateway.operator.send("POST", f"/v1/admin/doubts/{operation_id}/resolve", json=decision)
        assert answer.status_code == 200, answer.text

    number = (await tenant.operation(operation_id))["result"]

    told = await costs(tenant, number)
    assert (told["monthly"], told["to_date"], told["price_id"]) == (3_000_000, 3_000_000, price)


async def test_an_order_is_priced_by_the_area_code_and_by_the_type_that_was_sold_last(
    gateway: Gateway, tenant: Tenant, finance: Tenant
):
    await filed(finance, 2_000_000, area_code="415")
    await filed(finance, 3_000_000, setup=10, number_type="teli-voice-twilio")
    monthly = {}
    for bought in (False, True):
        for code in ("313", "415"):
            answer = await place(tenant, 2, dry_run=True, area_codes=[code])
            assert answer.status_code == 200, answer.text
            monthly[bought, code] = answer.json()["price"]["monthly"]
        await tenant.bought()

    assert monthly == {
        (False, "313"): 2_000_000, (False, "415"): 4_000_000, (True, "313"): 6_000_000, (True, "415"): 4_000_000,
    }  # fmt: skip


async def test_the_preview_of_a_release_tells_what_is_not_charged_then_each_currency_by_itself(
    tenant: Tenant, finance: Tenant
):
    numbers = [(await tenant.bought(code))["phone_number"] for code in ("313", "415")]
    await filed(finance, 2_000_000, area_code="415", currency="EUR")

    cost = (await preview(tenant, {"phone_numbers": numbers}, RELEASE))["cost"]

    assert (cost["currency"], cost["monthly_less"], cost["next_charges_avoided"]) == ("USD", 1_000_000, 1_000_000)
    [also] = cost["also"]
    assert (also["currency"], also["monthly_less"], also["next_charges_avoided"]) == ("EUR", 2_000_000, 2_000_000)


async def test_money_spent_on_silence_is_what_was_charged_since(gateway: Gateway, finance: Tenant):
    tenant = await gateway.tenant(scopes=TENANT_SCOPES)
    for code in ("313", "313", "415"):
        await tenant.bought(code)
    await held_for(gateway, 100)
    await read_all(gateway)
    await filed(finance, 3_000_000, area_code="415")

    whole = (await tenant.get("/v1/idle-numbers", params={"days": 30, "limit": 2})).json()
    rest = (await tenant.get("/v1/idle-numbers", params={"days": 30, "cursor": whole["next_cursor"]})).json()

    spent = {(one["area_code"], one["spent_on_silence"], one["monthly"]) for one in whole["items"] + rest["items"]}
    [cheap] = {micros for code, micros, _ in spent if code == "313"}
    assert spent == {("313", cheap, 1_000_000), ("415", 3 * cheap, 3_000_000)}
    assert whole["spent_on_silence"] == rest["spent_on_silence"] == {"micros": 5 * cheap, "currency": "USD", "also": []}
