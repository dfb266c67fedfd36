"""Limits, events, agents, webhooks, saved filters and the supplier's rule at a terminal, as their people need them."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.http.serving import served
from tests.support.gateway import AUTHOR, Gateway

from .desk import Desk

pytestmark = pytest.mark.ci
SCOPES = ["numbers:create", "numbers:read", "numbers:update", "agents:link", "events:read", "webhooks:write"]


@pytest.fixture
async def address(gateway: Gateway) -> AsyncIterator[str]:
    async with served(gateway) as port:
        yield f"http://127.0.0.1:{port}"


def desk_of(address: str, key: str) -> Desk:
    return Desk({"NUMBERGATE_URL": address, "NUMBERGATE_API_KEY": key})


def row(table: str, of: str) -> list[str]:
    [found] = [line for line in table.splitlines() if line.startswith(of)]
    return found.split()


async def refused(desk: Desk, *arguments: str) -> str:
    ended = await desk.run(*arguments)
    assert ended.returncode != 0, ended.stdout
    assert "Traceback" not in ended.stderr
    return " ".join(ended.stderr.replace("│", " ").split())


async def test_an_administrator_sets_limits_and_a_tenant_sees_what_is_used(gateway: Gateway, address: str):
    tenant = await gateway.tenant(scopes=SCOPES)
    office, own = desk_of(address, gateway.admin.key), desk_of(address, tenant.key)
    whose = ("quotas", "put", "--tenant", tenant.id)
    put = await office.done(*whose, "--numbers-held", "5", "--spend-per-month", "250.50", "--burst", "3")
    assert row(put, "numbers_held")[1:4] == ["5", "0", "0"]
    assert row(put, "spend_per_month")[1:4] == ["250.50", "0.00", "0.00"]
    assert row(await office.done(*whose, "--spend-per-month", "unlimited"), "spend_per_month")[1] == "unlimited"
    assert (await tenant.buy()).status_code == 200
    assert row(await own.done("quotas", "show"), "numbers_held")[1:4] == ["5", "1", "0"]
    assert "used" in await own.done("quotas", "rows", "numbers_held")
    assert row(await office.done("quotas", "show", "--deployment"), "numbers_held")[1:3] == ["unlimited", "1"]

    assert "--spend-per-month: must be an amount" in await refused(office, *whose, "--spend-per-month", "2,5")
    assert "--numbers-held: must be 0 or more" in await refused(office, *whose, "--numbers-held", "-1")
    assert "--time-zone: is not a name" in await refused(office, *whose, "--time-zone", "Mars")
    assert "name whose" in await refused(office, "quotas", "put", "--numbers-held", "1")
    assert "goes with --organization" in await refused(office, "quotas", "show", "--user", "u")


async def test_events_are_read_on_from_where_another_reading_ended(gateway: Gateway, address: str):
    tenant = await gateway.tenant(scopes=SCOPES)
    own = desk_of(address, tenant.key)
    assert (await tenant.buy()).status_code == 200
    while await gateway.worker.numbering.number():
        pass
    ended = await own.run("events", "list", "--type", "number.acquired")
    assert "number.acquired  +1" in ended.stdout
    cursor = ended.stderr.split("--cursor ")[1].strip()
    assert "No events." in (await own.run("events", "list", "--cursor", cursor)).stdout
    [one] = json.loads(await own.done("events", "list", "--json", "--type", "number.acquired"))["items"]
    assert one["sequence"] == 1
    assert "--type: 'nothing' is no event" in await refused(own, "events", "list", "--type", "nothing")
    assert await own.done("agents", "list") == "No agents.\n"


async def test_a_disabled_endpoint_is_set_going_again(gateway: Gateway, address: str):
    tenant = await gateway.tenant(scopes=SCOPES)
    own = desk_of(address, tenant.key)
    made = await tenant.send("POST", "/v1/webhook-endpoints", json={"url": "https://8.8.8.8/", "types": ["order.*"]})
    endpoint = made.json()["id"]
    off = await own.done("webhooks", "update", endpoint, "--state", "disabled", "--description", "mine")
    assert (row(off, "state")[1], row(off, "description")[1]) == ("disabled:", "mine")
    on = await own.done("webhooks", "update", endpoint, "--state", "active", "--all-types")
    assert (row(on, "state")[1], row(on, "types")[1]) == ("active", "all")
    assert await own.done("webhooks", "show", endpoint) == on
    assert "--to: leads to an address" in await refused(
        own, "webhooks", "update", endpoint, "--to", "https://10.0.0.1/"
    )
    assert "say what is to change" in await refused(own, "webhooks", "update", endpoint)
    assert "must be an id" in await refused(own, "webhooks", "show", "nope")


async def test_a_saved_filter_is_named_by_its_name(gateway: Gateway, address: str):
    tenant = await gateway.tenant(scopes=SCOPES)
    own = desk_of(address, tenant.key)
    bought = (await tenant.buy()).json()["phone_number"]
    await own.done("filters", "save", "here, now", "--state", "active")
    await own.done("filters", "save", "elsewhere", "--area-code", "212")
    assert bought in await own.done("numbers", "list", "--filter", "here, now")
    assert await own.done("numbers", "list", "--filter", "elsewhere") == "No numbers.\n"
    assert "nothing is no filter of yours" in await refused(own, "numbers", "list", "--filter", "nothing")


async def test_what_is_not_there_is_named(gateway: Gateway, address: str):
    own = desk_of(address, (await gateway.tenant(scopes=SCOPES)).key)
    assert "/v1/numbers/+13135550199" in await refused(own, "numbers", "show", "+13135550199")


async def test_the_suppliers_rule_is_changed_member_by_member_and_faults_name_the_option(
    gateway: Gateway, address: str
):
    finance = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "f")
    own = desk_of(address, finance.key)
    await own.done("billing", "rule", "put", "--cycle", "calendar", "--proration", "daily")
    shown = await own.done("billing", "rule", "put", "--free-days", "3")
    assert [row(shown, one)[-1] for one in ("cycle", "proration", "free days")] == ["calendar", "daily", "3"]
    assert await own.done("billing", "rule", "show") == shown
    assert "--free-days: must be 0 or more" in await refused(own, "billing", "rule", "put", "--free-days", "-1")
    for given, told in (
        (("01/03/2026", "2.99"), "SINCE: must be a d"), (("2027-01-01", "2,99"), "MONTHLY: must be an amount"),
        (("2027-01-01", "2.99", "--currency", "XXQ"), "--currency: is no currency of ISO 4217"),
        (("2027-01-01", "2.99", "--organization", "no-one"), "--organization: is of no organisation that is known"),
    ):  # fmt: skip
        assert told in await refused(own, "billing", "prices", "add", *given, "--yes")
