"""Giving a number back, and what can go wrong on the way (rows 28 to 36)."""

import asyncio

import httpx
import pytest

from .control import SimulatorControl
from .program import Simulator
from .teli import ORGANIZATION, USER, TeliClient


async def test_a_release_ends_all_four_truths(teli: TeliClient, control: SimulatorControl) -> None:
    number = await teli.buy()

    answer = await teli.release(number)

    assert answer.status_code == 200
    released_at = answer.json().pop("released_at")
    assert released_at.endswith("Z")
    assert answer.json() == {
        "success": True,
        "phone_number": number,
        "released_at": released_at,
        "billing_stopped": True,
        "message": "Phone number released. You will not be billed in the next cycle.",
        "powered_by": "Teli",
    }
    assert await control.counts() == {"bought": 1, "held": 0, "recorded": 0, "billed": 0, "creates": 1}
    assert [link["linked"] for link in (await control.truth())["provider"]["links"]] == [False]
    assert await teli.listed() == set()


async def test_a_repeated_release_says_so_and_changes_nothing(teli: TeliClient, control: SimulatorControl) -> None:
    number = await teli.buy()
    await teli.release(number)
    before = await control.truth()

    answer = await teli.release(number)

    assert (answer.status_code, answer.json()["already_released"]) == (200, True)
    assert "billing_stopped" not in answer.json()
    assert await control.truth() == before


async def test_a_number_released_in_the_dashboard_is_gone_without_an_event(
    teli: TeliClient, control: SimulatorControl
) -> None:
    number = await teli.buy()

    await control.dashboard_release(number)

    assert await teli.listed() == set()
    assert (await teli.release(number)).json()["already_released"] is True
    [purchase] = await control.purchases()
    assert purchase["released_by"] == "dashboard"


async def test_a_released_row_can_linger_in_the_list(teli: TeliClient, control: SimulatorControl) -> None:
    await control.switch(removal_lag_seconds=60)
    number = await teli.buy()
    await teli.release(number)

    assert await teli.listed() == {number}
    await control.advance(61)

    assert await teli.listed() == set()


async def test_an_unknown_and_a_foreign_number_give_the_same_404(
    simulator: Simulator, teli: TeliClient, control: SimulatorControl
) -> None:
    number = await teli.buy()
    await control.tenant("other", "other-key")

    async with TeliClient(simulator.url, key="other-key") as stranger:
        foreign, unknown = await stranger.release(number), await stranger.release("+13135550199")

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.content == unknown.content
    assert (await control.counts())["held"] == 1


async def test_an_sms_number_is_no_voice_number(teli: TeliClient, control: SimulatorControl) -> None:
    bought = await teli.post("/v1/sms/phone-numbers/purchase", organization_id=ORGANIZATION, area_code="415")

    assert (await teli.release(bought.json()["phone_number"])).status_code == 400
    assert (await control.counts())["held"] == 1


@pytest.mark.parametrize(
    ("fault", "failed", "linked"),
    [("voice_provider_fails", "voice_provider", True), ("voice_carrier_fails", "voice_carrier", False)],
)
async def test_a_502_names_the_hop_that_failed_and_billing_goes_on(
    teli: TeliClient, control: SimulatorControl, fault: str, failed: str, linked: bool
) -> None:
    number = await teli.buy()
    await control.arm(fault)

    answer = await teli.release(number)

    assert (answer.status_code, answer.json()["failed"], answer.json()["success"]) == (502, failed, False)
    assert [link["linked"] for link in (await control.truth())["provider"]["links"]] == [linked]
    assert await control.counts() == {"bought": 1, "held": 1, "recorded": 1, "billed": 1, "creates": 1}
    assert (await teli.release(number)).json()["billing_stopped"] is True


async def test_a_release_that_teli_fails_to_record_is_healed_by_the_next(
    teli: TeliClient, control: SimulatorControl
) -> None:
    number = await teli.buy()
    await control.arm("release_not_recorded")

    assert (await teli.release(number)).status_code == 500
    counts = await control.counts()
    assert (counts["held"], counts["recorded"]) == (0, 1)
    assert await teli.listed() == {number}

    assert (await teli.release(number)).status_code == 200
    assert await teli.listed() == set()


@pytest.mark.parametrize(
    ("step", "held", "recorded"), [("received", 1, 1), ("unlinked", 1, 1), ("returned", 0, 1), ("answering", 0, 0)]
)
async def test_a_release_can_be_reset_at_each_step(
    teli: TeliClient, control: SimulatorControl, step: str, held: int, recorded: int
) -> None:
    number = await teli.buy()
    await control.arm("reset", operation="release", step=step)

    with pytest.raises(httpx.ReadError):
        await teli.release(number)

    counts = await control.counts()
    assert (counts["held"], counts["recorded"]) == (held, recorded)


async def test_a_release_takes_effect_after_its_client_gave_up(simulator: Simulator, control: SimulatorControl) -> None:
    [number] = await control.dashboard_buy("313", ORGANIZATION, USER)
    await control.arm("client_leaves", operation="release", step="received")

    async with TeliClient(simulator.url, timeout=0.2) as hasty:
        with pytest.raises(httpx.ReadTimeout):
            await hasty.release(number)

    async with asyncio.timeout(5):
        while (await control.counts())["recorded"]:
            await asyncio.sleep(0.01)


async def test_a_recycled_number_can_go_to_another_tenant(
    simulator: Simulator, teli: TeliClient, control: SimulatorControl
) -> None:
    await control.switch(recycle_released=True)
    number = await teli.buy()
    await teli.release(number)
    await control.tenant("other", "other-key")

    async with TeliClient(simulator.url, key="other-key") as stranger:
        assert await stranger.buy() == number

    assert (await teli.release(number)).json()["already_released"] is True
    assert (await control.counts())["held"] == 1


async def test_a_late_release_hits_the_new_purchase_of_a_recycled_number(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.switch(recycle_released=True)
    number = await teli.buy()
    await teli.release(number)
    await teli.buy()

    late = await teli.release(number)

    assert "already_released" not in late.json()
    assert (await control.counts())["held"] == 0
    assert len(await control.purchases()) == 2
