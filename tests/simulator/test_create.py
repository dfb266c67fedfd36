"""Buying as Teli documents it, and the stock behind it (rows 1 to 5, 35, 48)."""

import asyncio

import pytest

from .control import SimulatorControl
from .teli import NUMBERS, ORGANIZATION, TENANT, USER, TeliClient


async def test_a_create_buys_one_number_links_records_and_bills_it(teli: TeliClient, control: SimulatorControl) -> None:
    answer = await teli.create("313", nickname="gw-1")

    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "phone_number": "+13135550100",
        "phone_number_pretty": "+1 313-555-0100",
        "area_code": "313",
        "phone_number_type": "teli-voice-twilio",
        "powered_by": "Teli",
    }
    truth = await control.truth()
    [purchase] = truth["carrier"]["purchases"]
    assert (purchase["phone_number"], purchase["nickname"], purchase["bought_by"]) == ("+13135550100", "gw-1", "api")
    assert truth["carrier"]["held"] == ["+13135550100"]
    assert [link["linked"] for link in truth["provider"]["links"]] == [True]
    assert [row["phone_number"] for row in truth["record"]["rows"]] == ["+13135550100"]
    assert [bill["billed_to"] for bill in truth["billing"]["bills"]] == [None]


async def test_a_purchase_names_the_request_that_caused_it(teli: TeliClient, control: SimulatorControl) -> None:
    await teli.create("999")
    await teli.buy()

    [_, request] = await control.requests("create")
    [purchase] = await control.purchases()
    assert purchase["request_id"] == request["request_id"]


@pytest.mark.parametrize("missing", ["area_code", "user_id"])
async def test_a_create_without_area_code_or_user_buys_nothing(
    teli: TeliClient, control: SimulatorControl, missing: str
) -> None:
    answer = await teli.create(**{missing: None})

    assert answer.status_code == 400
    assert answer.json() == {"error": "area_code and user_id required", "success": False, "powered_by": "Teli"}
    assert (await control.counts())["bought"] == 0


@pytest.mark.parametrize("missing", ["organization_id", "tenant_id"])
async def test_a_create_without_organization_or_tenant_is_accepted_or_refused_by_switch(
    teli: TeliClient, control: SimulatorControl, missing: str
) -> None:
    assert (await teli.create(**{missing: None})).status_code == 200

    await control.switch(missing_ids="refused")
    refused = await teli.create(**{missing: None})

    assert (refused.status_code, refused.json()["error"]) == (400, f"{missing} required")
    assert (await control.counts())["bought"] == 1


async def test_a_user_unknown_to_teli_is_accepted_or_refused_by_switch(
    teli: TeliClient, control: SimulatorControl
) -> None:
    assert (await teli.create(user_id="1790000000001x300000000000000001")).status_code == 200

    await control.switch(unknown_owner="refused")

    assert (await teli.create(user_id="1790000000001x300000000000000001")).status_code == 400


async def test_an_empty_area_code_answers_the_documented_500(teli: TeliClient, control: SimulatorControl) -> None:
    await control.stock("313", 1)
    await teli.buy("313")

    answer = await teli.create("313")

    assert answer.status_code == 500
    assert answer.json() == {
        "error": "Failed to provision phone number",
        "message": "No numbers available in area code 313",
        "success": False,
        "powered_by": "Teli",
    }
    assert (await control.counts())["bought"] == 1
    assert await teli.buy("415")


async def test_the_out_of_stock_fault_needs_no_empty_area_code(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("out_of_stock", match={"area_code": "313"})

    assert (await teli.create("415")).status_code == 200
    refused = await teli.create("313")

    assert refused.json()["message"] == "No numbers available in area code 313"
    assert (await control.counts())["bought"] == 1


@pytest.mark.parametrize("area_code", ["999", "abc", "31", "911", "113", "091", "191", "391", "3130"])
async def test_an_impossible_area_code_looks_like_an_empty_one(
    teli: TeliClient, control: SimulatorControl, area_code: str
) -> None:
    answer = await teli.create(area_code)

    assert answer.status_code == 500
    assert answer.json()["message"] == f"No numbers available in area code {area_code}"
    assert (await control.counts())["bought"] == 0


async def test_an_impossible_area_code_is_a_400_or_a_422_by_switch(teli: TeliClient, control: SimulatorControl) -> None:
    await control.switch(impossible_area_code="400")
    assert (await teli.create("999")).status_code == 400

    await control.switch(impossible_area_code="422")
    answer = await teli.create("abc")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "area_code"]
    assert (await control.counts())["bought"] == 0


async def test_a_released_number_is_sold_again_under_a_new_purchase_and_row(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.switch(recycle_released=True)
    number = await teli.buy("313")
    [former] = await teli.rows()
    await teli.release(number)

    assert await teli.buy("313") == number

    [row] = await teli.rows()
    assert row["id"] != former["id"]
    assert [purchase["phone_number"] for purchase in await control.purchases()] == [number, number]
    assert (await control.counts())["held"] == 1


async def test_a_released_number_stays_away_unless_recycling_is_on(teli: TeliClient, control: SimulatorControl) -> None:
    number = await teli.buy("313")
    await teli.release(number)

    assert await teli.buy("313") != number


async def test_creates_at_the_same_time_each_get_a_number_of_their_own(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.switch(latency_ms={"create": 20})

    numbers = await asyncio.gather(*(teli.buy("313", nickname=f"gw-{turn}") for turn in range(300)))

    assert len(set(numbers)) == 300
    assert await control.counts() == {"bought": 300, "held": 300, "recorded": 300, "billed": 300, "creates": 300}


async def test_a_later_create_can_be_answered_before_an_earlier_one(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.hold("answering", match={"nickname": "first"})
    first = asyncio.create_task(teli.buy(nickname="first"))
    await control.until_held()

    second = await teli.buy(nickname="second")

    assert not first.done()
    await control.release_holds()
    assert await first != second


async def test_what_the_vendors_page_sends_is_accepted_as_it_stands(teli: TeliClient) -> None:
    body = {"area_code": "415", "user_id": USER, "organization_id": ORGANIZATION, "tenant_id": TENANT}

    answer = await teli.post(f"{NUMBERS}/create", **body, nickname="Sales Line")

    assert answer.status_code == 200
