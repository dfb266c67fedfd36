"""One number, by its id or by its E.164."""

from uuid import uuid4

from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant

PATH = "/v1/numbers"


async def test_a_number_is_found_by_its_id_and_by_its_e164(gateway: Gateway, tenant: Tenant):
    bought = await tenant.bought(nickname="Sales", cost_center="c1", tags=["a"], inbound_agent_id="in")
    await gateway.follow_up()
    digits = bought["phone_number"].removeprefix("+")

    answers = [await tenant.get(f"{PATH}/{name}") for name in (bought["id"], f"+{digits}", f"%2B{digits}", digits)]

    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    body = answers[0].json()
    assert all(answer.json() == body for answer in answers)
    assert body.pop("acquired_at").endswith("Z")
    assert body.pop("confirmed_at").endswith("Z")
    assert body == {
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
