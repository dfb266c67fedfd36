"""Campaigns dial when they are created (row 44)."""

import asyncio
from typing import Any

import httpx
import pytest

from .control import SimulatorControl
from .teli import ORGANIZATION, TENANT, USER, TeliClient

CAMPAIGNS = "/v1/voice/campaigns"
LEADS = [{"phone_number": "+14155550101"}, {"phone_number": "+14155550102"}]


async def _campaign(teli: TeliClient, caller_id: str, **fields: Any) -> httpx.Response:
    body = {
        "leads": LEADS,
        "voice_agent_id": "agent_1",
        "agent_outbound_number": caller_id,
        "organization_id": ORGANIZATION,
        "tenant_id": TENANT,
        "user_id": USER,
        "campaign_id": "vc 1",
    }
    return await teli.post(CAMPAIGNS, **{**body, **fields})


async def _dialled(control: SimulatorControl) -> dict[str, int]:
    return {row["phone_number"]: row["calls"] for row in (await control.truth())["dialled"]}


async def test_a_campaign_dials_each_lead_at_once(teli: TeliClient, control: SimulatorControl) -> None:
    answer = await _campaign(teli, await teli.buy(), leads=[*LEADS, {"first_name": "No number"}])

    assert answer.status_code == 200
    assert (answer.json()["contacts_count"], answer.json()["invalid_leads_count"]) == (2, 1)
    assert await _dialled(control) == {"+14155550101": 1, "+14155550102": 1}


async def test_a_campaign_is_completed_when_its_calls_have_ended(teli: TeliClient, control: SimulatorControl) -> None:
    await _campaign(teli, await teli.buy())

    during = (await teli.get(f"{CAMPAIGNS}/vc%201")).json()
    await control.advance(60)
    after = (await teli.get(f"{CAMPAIGNS}/vc%201")).json()

    assert (during["status"], during["progress"]) == ("active", {"total": 2, "completed": 0, "pending": 2})
    assert (after["status"], after["progress"]) == ("completed", {"total": 2, "completed": 2, "pending": 0})
    assert (await teli.get(f"{CAMPAIGNS}/vc%201/calls")).json()["count"] == 2
    assert (await teli.get(f"{CAMPAIGNS}/vc%201/analytics")).json()["connected_calls"] == 2


async def test_a_repeated_campaign_dials_people_twice_unless_switched_otherwise(
    teli: TeliClient, control: SimulatorControl
) -> None:
    number = await teli.buy()
    await _campaign(teli, number)
    assert (await _campaign(teli, number)).status_code == 200
    assert await _dialled(control) == {"+14155550101": 2, "+14155550102": 2}

    await control.switch(campaign_reuse="409")

    assert (await _campaign(teli, number)).status_code == 409
    assert await _dialled(control) == {"+14155550101": 2, "+14155550102": 2}


async def test_a_reset_after_dialling_hides_that_people_were_called(
    teli: TeliClient, control: SimulatorControl
) -> None:
    number = await teli.buy()
    await control.arm("reset", operation="campaign_create", step="dialled")

    with pytest.raises(httpx.ReadError):
        await _campaign(teli, number)

    assert await _dialled(control) == {"+14155550101": 1, "+14155550102": 1}
    assert (await teli.get(f"{CAMPAIGNS}/vc%201")).status_code == 200


async def test_calls_from_a_released_number_fail(teli: TeliClient, control: SimulatorControl) -> None:
    number = await teli.buy()
    await control.dashboard_release(number)

    await _campaign(teli, number)

    failed = (await teli.get(f"{CAMPAIGNS}/vc%201/failed-numbers")).json()["failed_numbers"]
    assert failed == ["+14155550101", "+14155550102"]
    await control.switch(campaign_caller_id="refused")
    assert (await _campaign(teli, number)).status_code == 400


async def test_the_numbers_of_a_pool_take_turns(teli: TeliClient, control: SimulatorControl) -> None:
    pool = [await teli.buy(), await teli.buy()]
    await control.switch(call_rows_have_numbers=True)

    await _campaign(teli, pool[0], number_pool=[{"phone_number": number} for number in pool])

    calls = (await teli.get(f"{CAMPAIGNS}/vc%201/calls")).json()["calls"]
    assert {call["from_number"] for call in calls} == set(pool)


async def test_a_pause_spares_those_not_yet_called_until_it_is_resumed(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await _campaign(teli, await teli.buy(), campaign_begin_time="2099-01-01T00:00:00Z")

    paused = await teli.post(f"{CAMPAIGNS}/vc%201/pause")

    assert paused.json()["message"] == "Campaign paused"
    assert (await teli.get(f"{CAMPAIGNS}/vc%201/analytics")).json()["not_called"] == 2
    await teli.post(f"{CAMPAIGNS}/vc%201/resume")
    assert (await teli.get(f"{CAMPAIGNS}/vc%201")).json()["status"] == "active"
    assert await _dialled(control) == {}


async def test_an_ended_campaign_cannot_be_resumed_and_a_deleted_one_is_gone(teli: TeliClient) -> None:
    await _campaign(teli, await teli.buy())

    assert (await teli.post(f"{CAMPAIGNS}/vc%201/end")).json()["message"] == "Campaign ended"
    assert (await teli.post(f"{CAMPAIGNS}/vc%201/resume")).status_code == 400
    assert (await teli.delete(f"{CAMPAIGNS}/vc%201")).json()["message"] == "Campaign vc 1 deleted"
    gone = await teli.get(f"{CAMPAIGNS}/vc%201")
    assert (gone.status_code, gone.json()["error"]) == (404, "Campaign not found")


async def test_a_campaign_row_names_no_number_and_an_empty_creation_time(teli: TeliClient) -> None:
    await _campaign(teli, await teli.buy())

    answer = (await teli.get(CAMPAIGNS, organization_id=ORGANIZATION, tenant_id=TENANT)).json()

    [row] = answer["campaigns"]
    assert (answer["count"], row["campaign_id"], row["created_at"]) == (1, "vc 1", "")
    assert not any("number" in name for name in row)


@pytest.mark.parametrize("missing", ["leads", "voice_agent_id", "agent_outbound_number", "organization_id"])
async def test_a_campaign_without_what_it_needs_is_refused(
    teli: TeliClient, control: SimulatorControl, missing: str
) -> None:
    answer = await _campaign(teli, "+13135550100", **{missing: None})

    assert answer.status_code == 400
    assert await _dialled(control) == {}


async def test_campaigns_made_at_the_same_time_do_not_share_an_id(teli: TeliClient) -> None:
    number = await teli.buy()

    answers = await asyncio.gather(*(_campaign(teli, number, campaign_id=None) for _ in range(10)))

    assert len({answer.json()["campaign_id"] for answer in answers}) == 10
