"""`numbergate numbers` of one number and of a list, run as a person runs them, against a gateway that serves."""

import json
from collections.abc import AsyncIterator

import pytest

from service.cli.filtering import KINDS, NAMES
from service.inventory.schemas import InventoryQuery
from tests.http.serving import served
from tests.support.gateway import USER, Gateway, Tenant

from .desk import Desk

pytestmark = pytest.mark.ci


@pytest.fixture
async def mine(gateway: Gateway, tenant: Tenant) -> AsyncIterator[Desk]:
    """The terminal of somebody who has a tenant's key."""
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": tenant.key})


async def test_numbers_are_listed_by_what_is_asked_and_by_a_saved_filter(mine: Desk, tenant: Tenant):
    assert await mine.done("numbers", "list") == "No numbers.\n"
    number = await tenant.bought(nickname="Sales", tags=["a", "b"], cost_center="c1")
    saved = (await tenant.send("POST", "/v1/filters", json={"name": "n", "filters": {"state": "missing"}})).json()

    shown = await mine.done("numbers", "list", "--user", USER, "--state", "active")
    assert all(part in shown for part in (number["phone_number"], number["id"], "Sales", "a, b", "c1"))
    told = json.loads(await mine.done("numbers", "list", "--json"))
    assert ([one["id"] for one in told["items"]], told["complete"]) == ([number["id"]], True)
    assert await mine.done("numbers", "list", "--filter", saved["id"]) == "No numbers.\n"
    refused = await mine.run("numbers", "list", "--state", "sold")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "numbergate: --state: names 'sold', which is no state" in refused.stderr


async def test_a_number_is_shown_by_either_name_and_changed_while_it_is_as_it_was_seen(
    mine: Desk, gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought(nickname="Sales", tags=["a"])
    await gateway.follow_up()
    phone = number["phone_number"]

    spaced = f"{phone[:2]} {phone[2:5]}-{phone[5:8]}-{phone[8:]}"
    shown = await mine.done("numbers", "show", spaced)
    assert shown == await mine.done("numbers", "show", number["id"])
    told = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert (told["number"], told["tags"], told["tenant"]) == (phone, "a", tenant.id)
    etag = json.loads(await mine.done("numbers", "show", phone, "--json"))["etag"]
    assert told["ETag"] == etag

    changed = await mine.done("numbers", "set", phone, "--no-tags", "--cost-center", "c1", "--if-match", etag)
    assert "cost centre   c1" in changed
    late = await mine.run("numbers", "set", phone, "--tag", "b", "--if-match", etag)
    assert (late.returncode, "changed since it was read" in late.stderr) == (1, True)
    wrong = await mine.run("numbers", "set", phone, "--holder", "nobody")
    assert (wrong.returncode, "--holder: is no user" in wrong.stderr) == (1, True)
    nothing = await mine.run("numbers", "set", phone)
    assert nothing.returncode == 2
    no_number = await mine.run("numbers", "show", "seven")
    assert (no_number.returncode, "NUMBER" in no_number.stderr) == (2, True)

    history = await mine.done("numbers", "history", phone)
    assert "cost_center: – → c1" in history
    items = json.loads(await mine.done("numbers", "history", phone, "--json"))["items"]
    assert items[0]["action"] == "number.changed"


def test_every_filter_and_order_of_the_inventory_is_an_option():
    assert set(NAMES) == set(KINDS) == set(InventoryQuery.model_fields) - {"sort", "limit", "cursor"}


async def test_what_is_listed_is_exported_and_changed_by_the_same_filters(mine: Desk, gateway: Gateway, tenant: Tenant):
    meant = await tenant.bought(nickname="Sales", tags=["a,b", "west"], cost_center="c1")
    await tenant.bought(nickname="Support", tags=["west"])
    await gateway.follow_up()
    filters = ("--tag", "a,b", "--tag", "west", "--paid-by", "c1", "--nickname-begins", "sal", "--search", "313")
    told = json.loads(await mine.done("filters", "save", "Mine", *filters, "--sort", "-acquired_at", "--json"))
    assert told["id"] in await mine.done("filters", "list")

    for given in (filters, ("--filter", told["id"])):
        listed = json.loads(await mine.done("numbers", "list", *given, "--json"))
        assert [one["id"] for one in listed["items"]] == [meant["id"]]
        exported = await mine.done("numbers", "export", "--format", "ndjson", *given)
        assert [json.loads(line)["id"] for line in exported.splitlines()] == [meant["id"]]
        shown = json.loads(await mine.done("numbers", "bulk", "release", *given, "--dry-run", "--json"))
        assert [one["id"] for one in shown["sample"]] == [meant["id"]]
    refused = await mine.run("numbers", "export", "--search", "ab")
    assert (refused.returncode, "--search: needs words" in refused.stderr) == (1, True)
    ordered = json.loads(await mine.done("numbers", "list", "--sort", "-nickname", "--json"))["items"]
    assert [one["nickname"] for one in ordered] == ["Support", "Sales"]
    assert await mine.done("filters", "delete", told["id"], "--yes") == ""
    assert await mine.done("filters", "list") == "No filters.\n"


async def test_a_release_can_be_thought_over_until_its_grace_ends(mine: Desk, gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")
    await gateway.follow_up()
    path = f"/v1/numbers/{number['id']}"

    kept = await mine.answering("n\n", "numbers", "release", number["id"])
    assert (kept.returncode, "Release it? [y/N]" in kept.stderr) == (1, True)
    told = await mine.done("numbers", "release", number["phone_number"], "--reason", "the campaign is over", "--yes")
    assert "until then it can be restored" in told
    found = (await tenant.get(path)).json()
    assert (found["state"], found["release"]["reason"]) == ("release_scheduled", "the campaign is over")
    assert "active" in await mine.done("numbers", "restore", number["phone_number"])
    assert (await tenant.get(path)).json()["state"] == "active"


async def test_a_number_is_released_at_once_when_that_is_meant(mine: Desk, gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")
    await gateway.follow_up()

    kept = await mine.answering("n\n", "numbers", "release", number["id"], "--now")
    assert (kept.returncode, "Release it, for good? [y/N]" in kept.stderr) == (1, True)
    assert f"{number['phone_number']}, Sales," in kept.stderr
    assert (await tenant.get(f"/v1/numbers/{number['id']}")).json()["state"] == "active"
    assert "is released." in await mine.done("numbers", "release", number["phone_number"], "--now", "--yes")
    assert (await tenant.get(f"/v1/numbers/{number['id']}")).json()["state"] == "released"
