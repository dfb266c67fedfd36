"""What is still to be charged: a month to its end, and the ones after it."""

from datetime import timedelta

import asyncpg

from service.kit.clock import utc_now
from service.kit.money import months_later
from tests.billing.months import held_since, last_month, month_before, named, this_month, told
from tests.support.gateway import Gateway, Tenant


async def test_a_month_that_runs_tells_what_is_due_so_far_and_what_it_charges_to_its_end(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    await held_since(ledger, (await tenant.bought())["id"], months_later(utc_now(), -3))
    await finance.send("PUT", "/v1/billing/charging-rule", json={"cycle": "calendar", "due": "arrears"})
    path = f"/v1/billing/statements/{named(months_later(this_month(), 1))}"

    [foreseen] = (await finance.get(path)).json()["totals"]
    assert (foreseen["micros"], foreseen["so_far"]) == (1_000_000, 0)
    await finance.send("PUT", "/v1/billing/charging-rule", json={"cycle": "calendar", "due": "advance"})
    running = (await finance.get(f"/v1/billing/statements/{named(utc_now())}")).json()
    assert running["state"] == "open"
    assert [(one["micros"], one["so_far"]) for one in running["totals"]] == [(1_000_000, 1_000_000)]


async def test_a_month_that_has_not_begun_charges_whoever_holds_a_number_now_at_the_price_that_is_filed_for_then(
    gateway: Gateway, finance: Tenant
):
    tenant = await gateway.tenant(scopes=["numbers:create", "numbers:release", "billing:read"])
    bought = await tenant.bought(cost_center="north")
    await tenant.bought(cost_center="south")
    after = months_later(this_month(), 1)
    dearer = {"since": f"{months_later(this_month(), 2):%Y-%m-%d}", "monthly": 5_000_000, "setup": 0}
    assert (await finance.send("POST", "/v1/billing/prices", json=dearer)).status_code == 201

    path = f"/v1/billing/statements/{named(after)}"
    told_of_next = (await tenant.get(f"{path}?group_by=cost_center")).json()
    assert told_of_next["state"] == "forecast"
    sums = [(one["key"]["cost_center"], one["micros"], one["so_far"]) for one in told_of_next["groups"]]
    assert sums == [("north", 1_000_000, 0), ("south", 1_000_000, 0)]
    [later] = (await tenant.get(f"/v1/billing/statements/{named(months_later(this_month(), 2))}")).json()["totals"]
    assert later["micros"] == 10_000_000

    await gateway.follow_up()
    deleted = await tenant.send("DELETE", f"/v1/voice/phone-numbers/{bought['phone_number']}")
    assert deleted.status_code == 200, deleted.text
    [left] = (await tenant.get(path)).json()["totals"]
    assert (left["micros"], left["numbers"]) == (1_000_000, 1)


async def test_nothing_is_foretold_of_more_than_a_year_and_a_forecast_is_never_closed(
    gateway: Gateway, finance: Tenant
):
    assert (await finance.get(f"/v1/billing/statements/{named(months_later(this_month(), 12))}")).status_code == 200
    await told(finance.get(f"/v1/billing/statements/{named(months_later(this_month(), 13))}"), 400, "invalid_request")
    await told(finance.get("/v1/billing/statements/2999-12/export"), 400, "invalid_request")
    close = f"/v1/billing/periods/{named(months_later(this_month(), 1))}/close"
    await told(finance.send("POST", close), 409, "period_not_ready")


async def test_what_comes_to_light_late_is_in_the_month_that_is_closed_next_and_in_no_other(
    gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection
):
    late = (await tenant.bought())["id"]
    assert (await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")).status_code == 200
    await ledger.execute("UPDATE numbers SET acquired_at = $1", month_before() + timedelta(days=4))

    corrections = {}
    for month in (last_month(), this_month(), months_later(this_month(), 1)):
        totals = (await finance.get(f"/v1/billing/statements/{named(month)}")).json()["totals"]
        corrections[named(month)] = sum(one["corrections"] for one in totals)
    assert corrections == {
        named(last_month()): 1_000_000,
        named(this_month()): 0,
        named(months_later(this_month(), 1)): 0,
    }, late
