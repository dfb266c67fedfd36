"""What a listing shows, and what it does not (rows 21 to 25)."""

import asyncio

import pytest

from .control import SimulatorControl
from .program import Simulator
from .teli import NUMBERS, ORGANIZATION, TENANT, USER, TeliClient


async def test_a_listing_shows_the_documented_row(teli: TeliClient) -> None:
    await teli.buy("313", nickname="gw-1")

    answer = await teli.list()

    assert answer.status_code == 200
    assert answer.json().keys() == {"success", "count", "phone_numbers", "powered_by"}
    [row] = answer.json()["phone_numbers"]
    assert (
        row.items()
        >= {
            "phone_number": "+13135550100",
            "pretty_phone_number": "+1 313-555-0100",
            "area_code": "313",
            "phone_type": "voice",
            "provider": "teli_voice",
            "tenant_id": TENANT,
            "outbound_agent_id": None,
            "inbound_agent_id": None,
            "nickname": "gw-1",
            "location": None,
            "accessible_by": [],
            "stripe_subscription_id": None,
            "zapier": False,
        }.items()
    )
    assert row.keys() >= {"id", "user_id", "organization_id", "created_at"}


async def test_a_listing_without_organization_is_refused(teli: TeliClient) -> None:
    answer = await teli.get(NUMBERS, user_id=USER)

    assert answer.status_code == 400
    assert answer.json() == {"error": "organization_id required", "success": False, "powered_by": "Teli"}


async def test_every_listing_can_lag(teli: TeliClient, control: SimulatorControl) -> None:
    await control.switch(list_lag_seconds=300)
    number = await teli.buy()

    assert await teli.listed() == set()
    await control.advance(301)

    assert await teli.listed() == {number}


async def test_one_number_can_be_late_in_the_list(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("late_in_list", seconds=300)
    late, prompt = await teli.buy(), await teli.buy()

    assert await teli.listed() == {prompt}
    assert (await control.counts())["recorded"] == 2
    await control.advance(301)

    assert await teli.listed() == {late, prompt}


async def test_a_listing_can_omit_rows_once(teli: TeliClient, control: SimulatorControl) -> None:
    await asyncio.gather(*(teli.buy() for _ in range(3)))
    await control.arm("list_omits", omitted=2)

    first, second = (await teli.list()).json(), (await teli.list()).json()

    assert (first["count"], len(first["phone_numbers"])) == (1, 1)
    assert second["count"] == 3


async def test_a_count_can_differ_from_the_rows(teli: TeliClient, control: SimulatorControl) -> None:
    await teli.buy()
    await control.arm("list_miscounts", by=1)
    assert (await teli.list()).json()["count"] == 2

    await control.arm("list_omits", keep_count=True)
    answer = (await teli.list()).json()

    assert (answer["count"], answer["phone_numbers"]) == (1, [])


async def test_a_listing_can_fail_or_be_falsely_empty(teli: TeliClient, control: SimulatorControl) -> None:
    await teli.buy()
    await control.arm("server_error", operation="list", error="Failed to list phone numbers", message=None)
    await control.arm("list_empty")

    failed, empty = await teli.list(), await teli.list()

    assert failed.status_code == 500
    assert failed.json() == {"error": "Failed to list phone numbers", "success": False, "powered_by": "Teli"}
    assert (empty.status_code, empty.json()["count"], empty.json()["phone_numbers"]) == (200, 0, [])
    assert len(await teli.rows()) == 1


async def test_a_user_sees_its_own_numbers_and_is_admin_sees_all(teli: TeliClient, control: SimulatorControl) -> None:
    other = (await control.user(ORGANIZATION))["unique_id"]
    ours, theirs = await teli.buy(), await teli.buy(user_id=other)

    assert await teli.listed() == {ours}
    assert await teli.listed(user_id=other) == {theirs}
    assert await teli.listed(is_admin="true") == {ours, theirs}
    assert await teli.listed(user_id="1790000000001x300000000000000009") == set()


async def test_another_tenants_numbers_are_not_listed(
    simulator: Simulator, teli: TeliClient, control: SimulatorControl
) -> None:
    await teli.buy()
    await control.tenant("other", "other-key")

    async with TeliClient(simulator.url, key="other-key") as stranger:
        assert await stranger.rows(is_admin="true") == []


@pytest.mark.parametrize("form", ["unique_id", "uuid"])
async def test_rows_name_user_and_organization_in_the_form_that_is_switched_on(
    teli: TeliClient, control: SimulatorControl, form: str
) -> None:
    await control.switch(id_form_numbers=form, id_form_users=form)
    await teli.buy()

    [row] = await teli.rows()
    [user] = (await teli.get(f"/v1/organizations/{ORGANIZATION}/users")).json()["users"]
    [organization] = (await teli.get("/v1/organizations")).json()["organizations"]

    key = "id" if form == "uuid" else "unique_id"
    assert (row["user_id"], row["organization_id"]) == (user[key], organization[key])
    assert user["organization_id"] == organization[key]


async def test_twenty_thousand_rows_are_listed_while_others_buy(teli: TeliClient, control: SimulatorControl) -> None:
    await control.dashboard_buy("415", ORGANIZATION, USER, count=20_000)

    rows, bought = await asyncio.gather(teli.rows(), teli.buy("313"))

    assert len(rows) in (20_000, 20_001)
    assert bought in await teli.listed()
