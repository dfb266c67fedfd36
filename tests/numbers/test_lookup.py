"""One number, by its id or by its E.164."""

from typing import Any
from uuid import uuid4

from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant

PATH = "/v1/numbers"


def plainly(body: dict[str, Any]) -> dict[str, Any]:
    """What is told without nesting, and stays the same."""
    left_out = (
        "agents",
        "costs",
        "purchase",
        "upstream",
        "calls",
        "owed",
        "release",
        "drift",
        "acquired_at",
        "confirmed_at",
    )
    return {name: value for name, value in body.items() if name not in left_out}


async def test_a_number_is_found_by_its_id_and_by_its_e164(gateway: Gateway, tenant: Tenant):
    bought = await tenant.bought(nickname="Sales", cost_center="c1", tags=["a"], inbound_agent_id="in")
    await gateway.follow_up()
    digits = bought["phone_number"].removeprefix("+")

    answers = [await tenant.get(f"{PATH}/{name}") for name in (bought["id"], f"+{digits}", f"%2B{digits}", digits)]

    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    body = answers[0].json()
    assert all(answer.json() == body for answer in answers)
    assert body["acquired_at"].endswith("Z")
    assert body["confirmed_at"].endswith("Z")
    assert plainly(body) == {
        "id": bought["id"],
        "phone_number": bought["phone_number"],
        "state": "active",
        "organization_id": ORGANIZATION,
        "tenant_id": tenant.id,
        "user_id": USER,
        "area_code": "313",
        "nickname": "Sales",
        "cost_center": "c1",
        "tags": ["a"],
        "holder_user_id": None,
        "inbound_agent_id": "in",
        "outbound_agent_id": None,
        "released_at": None,
        "operation_id": bought["operation_id"],
    }


async def test_everything_of_a_number_is_in_one_answer(gateway: Gateway, tenant: Tenant):
    answer = await tenant.buy(key="k-1", inbound_agent_id="in")
    bought = answer.json()
    await gateway.follow_up()
    await gateway.look_everywhere()

    body = (await tenant.get(f"{PATH}/{bought['id']}")).json()

    link = body["agents"].pop("inbound")
    assert (link["desired"], link["confirmed"], link["state"]) == ("in", "in", "confirmed")
    assert body["agents"] == {"outbound": None}
    assert body["costs"] == {
        "to_date": 1_000_000,
        "monthly": 1_000_000,
        "next_charge_at": body["costs"]["next_charge_at"],
        "next_charge": 1_000_000,
        "currency": "USD",
        "source": "price_book",
        "price_id": body["costs"]["price_id"],
    }
    assert body["costs"]["next_charge_at"] > body["acquired_at"]
    purchase = body["purchase"]
    assert purchase["idempotency_key"] == "k-1"
    assert (purchase["state"], purchase["answered"]) == ("owned", 200)
    assert purchase["admitted_at"] < purchase["ended_at"] <= purchase["decided_at"]
    upstream = body["upstream"]
    assert upstream["row_id"]
    assert upstream["first_seen_at"] == body["confirmed_at"]
    assert upstream["last_seen_at"] > upstream["first_seen_at"]
    assert upstream["gone_at"] is None
    assert body["calls"] == {"last_inbound_at": None, "last_outbound_at": None, "idle_since": None}
    assert [one["kind"] for one in body["owed"]] == ["unmark"]


async def test_a_number_that_teli_lists_no_more_says_since_when(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.dashboard_release(number["phone_number"])
    await gateway.look_everywhere()

    upstream = (await tenant.get(f"{PATH}/{number['id']}")).json()["upstream"]

    assert upstream["gone_at"]
    assert upstream["last_seen_at"] < upstream["gone_at"]


async def test_what_others_asked_with_is_not_told(gateway: Gateway, tenant: Tenant):
    bought = (await tenant.buy(key="secret-to-the-tenant")).json()
    neighbour = await gateway.tenant(scopes=["numbers:read", "inventory:org"])

    for reader in (neighbour, gateway.operator, gateway.admin):
        answer = await reader.get(f"{PATH}/{bought['id']}")

        assert answer.status_code == 200
        assert "secret-to-the-tenant" not in answer.text
        assert answer.json()["purchase"]["operation_id"] == bought["operation_id"]
    assert (await neighbour.get(f"{PATH}/{bought['id']}")).json()["purchase"]["answered"] is None


async def test_who_knows_its_etag_is_told_that_nothing_changed(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    first = await tenant.get(f"{PATH}/{number['id']}")
    etag = first.headers["ETag"]

    for known in (etag, f'"x", W/{etag}', "*"):
        again = await tenant.get(f"{PATH}/{number['id']}", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    await tenant.send("PATCH", f"{PATH}/{number['id']}", json={"cost_center": "c2"})
    changed = await tenant.get(f"{PATH}/{number['id']}", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


async def test_of_two_acquisitions_the_e164_names_the_one_that_is_held(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(recycle_released=True)
    old = await tenant.bought()
    await tenant.send("DELETE", f"{NUMBERS}/{old['phone_number']}")
    assert (await tenant.get(f"{PATH}/{old['phone_number']}")).json()["state"] == "released"

    new = await tenant.bought()

    assert (await tenant.get(f"{PATH}/{new['phone_number']}")).json()["id"] == new["id"]
    assert (await tenant.get(f"{PATH}/{old['id']}")).json()["released_at"]


async def test_what_is_anothers_is_the_same_404_as_what_does_not_exist(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    stranger = await gateway.tenant(scopes=["numbers:read"])

    answers = [
        await stranger.get(f"{PATH}/{name}", headers={"X-Request-ID": "same"})
        for name in (number["id"], number["phone_number"], uuid4(), "+13135550000")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert (await gateway.operator.get(f"{PATH}/{number['id']}")).status_code == 200


async def test_what_names_no_number_or_asks_for_more_is_refused(tenant: Tenant):
    number = await tenant.bought()

    for path in ("seven", "3135550142", f"{number['id']}?fields=state"):
        answer = await tenant.get(f"{PATH}/{path}")

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), path
