"""The counts of numbers that do not come from the listing, and SMS numbers (rows 43, 46)."""

from typing import Any

from .control import SimulatorControl
from .teli import ORGANIZATION, USER, TeliClient

ANALYTICS = "/v1/analytics"
SMS = "/v1/sms/phone-numbers"


async def _breakdown(teli: TeliClient) -> Any:
    return (await teli.get(f"{ANALYTICS}/overview")).json()["cost_breakdown"]


async def test_analytics_count_what_is_billed_even_if_it_is_not_listed(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await teli.buy()
    await control.arm("not_recorded")
    await teli.create()

    assert len(await teli.rows()) == 1
    assert await _breakdown(teli) == {
        "phone_rental_cost": 5.98,
        "phone_rental_count": 2,
        "phone_purchase_cost": 2.0,
        "phone_purchase_count": 2,
    }


async def test_a_number_is_bought_in_one_period_and_rented_in_the_next(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await teli.buy()
    await control.advance(60 * 86_400)

    breakdown = await _breakdown(teli)

    assert (breakdown["phone_rental_count"], breakdown["phone_purchase_count"]) == (1, 0)


async def test_each_organization_and_user_has_its_counts(teli: TeliClient) -> None:
    await teli.buy()

    [organization] = (await teli.get(f"{ANALYTICS}/organizations")).json()["organizations"]
    [user] = (await teli.get(f"{ANALYTICS}/users", organization_id=ORGANIZATION)).json()["users"]

    assert (organization["phone_rental_count"], organization["phone_purchase_count"]) == (1, 1)
    assert "cost_breakdown" not in organization
    assert (user["user_id"], user["cost_breakdown"]["phone_rental_count"]) == (USER, 1)


async def test_usage_says_nothing_about_numbers_and_needs_an_owner(teli: TeliClient) -> None:
    refused = await teli.get(f"{ANALYTICS}/usage")

    assert refused.json() == {"success": False, "error": "organization_id or user_id is required"}
    assert "cost_breakdown" not in (await teli.get(f"{ANALYTICS}/usage", user_id=USER)).json()


async def test_counts_can_be_behind_or_off(teli: TeliClient, control: SimulatorControl) -> None:
    await control.switch(analytics_lag_seconds=86_400)
    await teli.buy()
    assert (await _breakdown(teli))["phone_rental_count"] == 0

    await control.advance(86_401)
    await control.arm("analytics_miscount", by=1)

    assert (await _breakdown(teli))["phone_rental_count"] == 2
    assert (await _breakdown(teli))["phone_rental_count"] == 1


async def test_counts_can_include_sms_numbers(teli: TeliClient, control: SimulatorControl) -> None:
    await teli.post(f"{SMS}/purchase", organization_id=ORGANIZATION, area_code="415")
    assert (await _breakdown(teli))["phone_rental_count"] == 0

    await control.switch(analytics_include_sms=True)

    assert (await _breakdown(teli))["phone_rental_count"] == 1


async def test_an_sms_number_can_be_bought_and_not_stored(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("not_recorded", operation="sms_purchase", status=200)

    lost = await teli.post(f"{SMS}/purchase", organization_id=ORGANIZATION, area_code="415")
    kept = await teli.post(f"{SMS}/purchase", organization_id=ORGANIZATION, area_code="415")

    assert (lost.json()["stored"], lost.json()["phone_id"]) == (False, None)
    rows = (await teli.get(SMS, organization_id=ORGANIZATION)).json()["phone_numbers"]
    assert [row["phone_number"] for row in rows] == [kept.json()["phone_number"]]
    assert (await control.counts())["bought"] == 2


async def test_sms_out_of_stock_is_told_in_error(teli: TeliClient) -> None:
    answer = await teli.post(f"{SMS}/purchase", organization_id=ORGANIZATION, area_code="999")

    assert answer.json()["error"] == "No numbers available in area code 999"
