"""Budgets: what a month may cost, and who is told as it is reached."""

from asyncio import gather
from typing import Any

import asyncpg
import jsonschema_rs
import pytest

from service.kit.clock import utc_now
from service.kit.money import months_later
from service.outbox.catalogue import schema_of
from tests.billing.months import held_since, last_month, named, told
from tests.support.gateway import ORGANIZATION, Gateway, Tenant

SCOPES = ["numbers:create", "numbers:read", "events:read", "billing:read"]
BUDGETS = "/v1/billing/budgets"


@pytest.fixture
async def payer(gateway: Gateway) -> Tenant:
    return await gateway.tenant(scopes=SCOPES)


async def filed(finance: Tenant, amount: int, **of: Any) -> str:
    answer = await finance.send("POST", BUDGETS, json={"amount": amount, **of})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def events(gateway: Gateway, of: Tenant) -> list[dict[str, Any]]:
    """Of budgets, as the tenant's feed has them after the worker has looked."""
    await gateway.worker.billing.budget_watch.look()
    await gateway.worker.numbering.number()
    found: list[dict[str, Any]] = (await of.get("/v1/events?type=budget.reached")).json()["items"]
    return found


def reached(events: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
    return [(one["data"]["threshold"], one["data"]["measure"], one["data"]["amount"]) for one in events]


async def test_a_tenant_is_told_once_a_month_of_each_threshold_that_its_charges_reach(
    gateway: Gateway, payer: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    budget = await filed(finance, 2_000_000, tenant_id=payer.id, name="dialling")
    assert await events(gateway, payer) == []
    await payer.bought()
    await gateway.sql("UPDATE budgets SET reckoned_at = NULL")
    [half] = await events(gateway, payer)
    jsonschema_rs.validator_for(schema_of("budget.reached")).validate(half)
    assert half["data"] == {
        "budget_id": budget, "name": "dialling", "period": named(utc_now()), "threshold": 50, "measure": "charged",
        "micros": 1_000_000, "amount": 2_000_000, "currency": "USD",
    }  # fmt: skip
    await payer.bought()
    for _ in range(2):
        await gateway.sql("UPDATE budgets SET reckoned_at = NULL")
        assert reached(await events(gateway, payer)) == [
            (threshold, "charged", 2_000_000) for threshold in (50, 80, 100)
        ]
    standing = (await payer.get(f"{BUDGETS}/{budget}")).json()["standing"]
    assert (standing["period"], standing["so_far"], standing["forecast"]) == (named(utc_now()), 2_000_000, 2_000_000)
    assert [(one["threshold"], one["ended_at"]) for one in standing["reached"]] == [(50, None), (80, None), (100, None)]


async def test_more_than_all_of_it_is_told_as_soon_as_it_is_to_be_expected(
    gateway: Gateway, payer: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    await held_since(ledger, (await payer.bought())["id"], months_later(utc_now(), -3))
    # Due only as the month ends: on the last day, of which there is one to come unless it is today.
    rule = {"cycle": "calendar", "due": "arrears", "proration": "daily"}
    assert (await finance.send("PUT", "/v1/billing/charging-rule", json=rule)).status_code == 200
    [total] = (await finance.get(f"/v1/billing/statements/{named(utc_now())}")).json()["totals"]
    budget = await filed(finance, total["micros"] - 1, tenant_id=payer.id)

    measures = {measure for _, measure, _ in reached(await events(gateway, payer))}

    standing = (await finance.get(f"{BUDGETS}/{budget}")).json()["standing"]
    assert (standing["so_far"], standing["forecast"]) == (total["so_far"], total["micros"])
    assert "forecast" in measures


async def test_several_workers_that_look_at_once_tell_of_a_threshold_once(
    gateway: Gateway, payer: Tenant, finance: Tenant
):
    await payer.bought()
    for place in range(5):
        await filed(finance, 1_000_000, tenant_id=payer.id, cost_center=f"place {place}", notify_tenant_id=payer.id)
    await filed(finance, 1_000_000, tenant_id=payer.id)

    await gather(*(gateway.worker.billing.budget_watch.look() for _ in range(5)))

    assert reached(await events(gateway, payer)) == [(threshold, "charged", 1_000_000) for threshold in (50, 80, 100)]


async def test_a_budget_that_is_raised_in_mid_month_is_told_of_anew_and_one_that_is_lowered_of_what_is_new_alone(
    gateway: Gateway, payer: Tenant, finance: Tenant
):
    await payer.bought()
    budget = await filed(finance, 2_000_000, tenant_id=payer.id)
    assert reached(await events(gateway, payer)) == [(50, "charged", 2_000_000)]

    async def put(amount: int) -> list[tuple[int, str, int]]:
        body = {"name": None, "amount": amount, "notify_tenant_id": payer.id}
        assert (await finance.send("PUT", f"{BUDGETS}/{budget}", json=body)).status_code == 200
        return reached(await events(gateway, payer))

    seen = [(50, "charged", 2_000_000)]
    assert await put(1_250_000) == (seen := [*seen, (80, "charged", 1_250_000)])
    assert await put(4_000_000) == seen
    await payer.bought()
    assert await put(4_000_000) == (seen := [*seen, (50, "charged", 4_000_000)])
    standing = (await finance.get(f"{BUDGETS}/{budget}")).json()["standing"]
    assert [(one["threshold"], one["ended_at"] is None) for one in standing["reached"]] == [
        (50, False), (80, False), (50, True),
    ]  # fmt: skip


async def test_a_budget_of_several_tenants_is_told_to_the_one_that_is_named_and_shown_to_no_other(
    gateway: Gateway, payer: Tenant, finance: Tenant
):
    other = await gateway.tenant(scopes=SCOPES)
    await payer.bought(cost_center="north")
    await other.bought(cost_center="north")
    await other.bought(cost_center="south")
    whole = await filed(finance, 3_000_000, organization_id=ORGANIZATION)
    north = await filed(finance, 2_000_000, cost_center="north", notify_tenant_id=payer.id)
    await filed(finance, 2_000_000, cost_center="north", currency="EUR", notify_tenant_id=payer.id)

    assert {(one["data"]["budget_id"], one["data"]["threshold"]) for one in await events(gateway, payer)} == {
        (north, 50), (north, 80), (north, 100)
    }  # fmt: skip
    assert await events(gateway, other) == []
    assert {one["cost_center"] for one in (await payer.get(BUDGETS)).json()["items"]} == {"north"}
    assert (await other.get(BUDGETS)).json()["items"] == []
    await told(other.get(f"{BUDGETS}/{whole}"), 404, "not_found")
    standing = (await finance.get(f"{BUDGETS}/{whole}")).json()["standing"]
    assert (standing["so_far"], [one["threshold"] for one in standing["reached"]]) == (3_000_000, [50, 80, 100])


async def test_what_was_reached_in_the_last_hours_of_a_month_is_told_of_that_month(
    gateway: Gateway, payer: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    await held_since(ledger, (await payer.bought())["id"], last_month())
    await filed(finance, 1_000_000, tenant_id=payer.id)
    await ledger.execute(
        "UPDATE budgets SET period = $1, created_at = $2, so_far = 0, forecast = 0", last_month().date(), last_month()
    )
    # Filed since, by finance that hears of the same tenant's charges: of the month before it was none.
    later = await filed(finance, 1_000_000, organization_id=ORGANIZATION, notify_tenant_id=payer.id)

    found = await events(gateway, payer)
    assert {one["data"]["period"] for one in found if one["data"]["budget_id"] == later} == {named(utc_now())}
    found = [one for one in found if one["data"]["budget_id"] != later]
    periods = [one["data"]["period"] for one in found]
    assert periods == [named(last_month())] * 3 + [named(utc_now())] * 3


async def test_a_budget_that_cannot_be_meant_is_refused_with_the_mend(gateway: Gateway, payer: Tenant, finance: Tenant):
    for body in (
        {"amount": 1}, {"amount": 0, "tenant_id": payer.id}, {"amount": 1.5, "tenant_id": payer.id},
        {"amount": 1, "tenant_id": "nobody"}, {"amount": 1, "organization_id": "none"},
        {"amount": 1, "tenant_id": payer.id, "notify_tenant_id": "nobody"}, {"amount": 1, "cost_center": "x" * 65},
    ):  # fmt: skip
        await told(finance.send("POST", BUDGETS, json=body), 400, "invalid_request")
    budget = await filed(finance, 1, tenant_id=payer.id)
    await told(finance.send("POST", BUDGETS, json={"amount": 2, "tenant_id": payer.id}), 409, "state_conflict")
    await told(payer.send("POST", BUDGETS, json={"amount": 2, "tenant_id": payer.id}), 403, "scope_missing")
    assert (await finance.send("DELETE", f"{BUDGETS}/{budget}")).status_code == 204
    await told(finance.get(f"{BUDGETS}/{budget}"), 404, "not_found")
    await told(finance.send("DELETE", f"{BUDGETS}/{budget}"), 404, "not_found")


async def test_finance_pages_through_budgets_and_every_change_of_one_is_in_the_log(
    gateway: Gateway, payer: Tenant, finance: Tenant
):
    made = [await filed(finance, 1, tenant_id=payer.id, cost_center=f"{place}") for place in range(5)]
    page = (await finance.get(f"{BUDGETS}?limit=2")).json()
    seen = [one["id"] for one in page["items"]]
    while page["next_cursor"]:
        page = (await finance.get(f"{BUDGETS}?limit=2&cursor={page['next_cursor']}")).json()
        seen += [one["id"] for one in page["items"]]
    assert (seen, page["total"]) == (made, {"value": 5, "exact": True})
    put = {"name": "new", "amount": 2, "notify_tenant_id": None}
    await finance.send("PUT", f"{BUDGETS}/{made[0]}", json=put)
    await finance.send("DELETE", f"{BUDGETS}/{made[0]}")
    noted = await gateway.sql("SELECT action, after FROM audit WHERE object_id = :id ORDER BY id", id=made[0])
    assert [action for action, _ in noted] == ["budget.filed", "budget.put", "budget.deleted"]
    assert noted[1][1] == put
