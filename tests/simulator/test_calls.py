"""The call list is late, short and without numbers (row 45)."""

from .control import SimulatorControl
from .teli import ORGANIZATION, USER, TeliClient

CALLS = "/v1/voice/calls"


async def test_ended_calls_come_newest_first_and_without_numbers(teli: TeliClient, control: SimulatorControl) -> None:
    older = await control.call(ORGANIZATION, "+14155550101", "+13135550100", user_id=USER, ago_seconds=900)
    newer = await control.call(ORGANIZATION, "+14155550101", "+13135550100", user_id=USER, ago_seconds=600)

    answer = (await teli.get(CALLS, organization_id=ORGANIZATION, user_id=USER)).json()

    assert [call["call_id"] for call in answer["calls"]] == [newer, older]
    assert "to_number" not in answer["calls"][0]
    single = (await teli.get(f"{CALLS}/{newer}")).json()["call"]
    assert (single["from_number"], single["to_number"]) == ("+14155550101", "+13135550100")


async def test_ongoing_and_failed_calls_show_only_when_asked_for(teli: TeliClient, control: SimulatorControl) -> None:
    numbers = ("+14155550101", "+13135550100")
    running = await control.call(ORGANIZATION, *numbers, user_id=USER, ago_seconds=5, lasts_seconds=3600)
    failed = await control.call(ORGANIZATION, *numbers, user_id=USER, outcome="error")

    async def listed(**query: str) -> list[str]:
        answer = await teli.get(CALLS, organization_id=ORGANIZATION, user_id=USER, **query)
        return [call["call_id"] for call in answer.json()["calls"]]

    assert await listed() == []
    assert await listed(call_status="ongoing") == [running]
    assert await listed(call_status="error") == [failed]


async def test_a_hundred_calls_are_the_most_that_one_answer_holds(teli: TeliClient, control: SimulatorControl) -> None:
    for ago in range(120):
        await control.call(ORGANIZATION, "+14155550101", "+13135550100", user_id=USER, ago_seconds=1000 + ago)

    async def count(**query: str) -> int:
        return int((await teli.get(CALLS, organization_id=ORGANIZATION, user_id=USER, **query)).json()["count"])

    assert (await count(), await count(limit="70"), await count(limit="500")) == (50, 70, 100)


async def test_calls_can_lag_and_show_numbers_by_switch(teli: TeliClient, control: SimulatorControl) -> None:
    await control.switch(call_lag_seconds=3600, call_rows_have_numbers=True, id_form_calls="unique_id")
    await control.call(ORGANIZATION, "+14155550101", "+13135550100", user_id=USER)
    query = {"organization_id": ORGANIZATION, "is_admin": "true"}
    assert (await teli.get(CALLS, **query)).json()["count"] == 0

    await control.advance(3600)

    [call] = (await teli.get(CALLS, **query)).json()["calls"]
    assert (call["user_id"], call["to_number"]) == (USER, "+13135550100")


async def test_calls_need_an_organization_and_a_user_or_admin(teli: TeliClient) -> None:
    assert (await teli.get(CALLS, user_id=USER)).json()["error"] == "organization_id required"
    assert (await teli.get(CALLS, organization_id=ORGANIZATION)).status_code == 400
