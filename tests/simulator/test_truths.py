"""What was bought, what was told and what is remembered differ (rows 17 to 20, 26, 27)."""

import pytest

from .control import SimulatorControl
from .teli import ORGANIZATION, USER, TeliClient


async def test_a_number_of_another_area_code_can_be_bought(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("other_area_code", area_code="415")

    answer = (await teli.create("313")).json()

    assert answer["area_code"] == "415"
    assert [row["area_code"] for row in await teli.rows()] == ["415"]
    [request] = await control.requests("create")
    assert request["body"]["area_code"] == "313"


async def test_a_2xx_can_name_a_number_that_was_held_before(teli: TeliClient, control: SimulatorControl) -> None:
    held = await teli.buy()
    await control.arm("already_held")

    assert await teli.buy() == held

    assert (await control.counts())["bought"] == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_a_number_can_be_bought_and_billed_and_never_recorded(
    teli: TeliClient, control: SimulatorControl, status: int
) -> None:
    await control.arm("not_recorded", status=status)

    assert (await teli.create()).status_code == status

    assert await control.counts() == {"bought": 1, "held": 1, "recorded": 0, "billed": 1, "creates": 1}
    assert await teli.rows() == []
    await control.advance(365 * 86_400)
    assert await teli.rows() == []


async def test_an_unrecorded_number_can_be_written_down_later(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("not_recorded")
    await teli.create(nickname="gw-7")
    [number] = (await control.truth())["carrier"]["unrecorded"]

    await control.dashboard_record(number)

    [row] = await teli.rows()
    assert (row["phone_number"], row["nickname"]) == (number, "gw-7")


async def test_an_unrecorded_number_cannot_be_released(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("not_recorded", status=200)
    number = await teli.buy()

    assert (await teli.release(number)).status_code == 404
    assert (await control.counts())["billed"] == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_a_number_can_be_recorded_and_not_linked(
    teli: TeliClient, control: SimulatorControl, status: int
) -> None:
    await control.arm("not_linked", status=status)

    assert (await teli.create()).status_code == status

    assert len(await teli.rows()) == 1
    assert (await control.truth())["provider"]["links"] == []


@pytest.mark.parametrize(
    ("switches", "stored"),
    [
        ({"nickname": "kept"}, " [gw-1] Sales "),
        ({"nickname": "trimmed"}, "[gw-1] Sales"),
        ({"nickname": "cut", "nickname_length": 5}, " [gw-"),
        ({"nickname": "dropped"}, None),
    ],
)
async def test_a_nickname_is_stored_as_its_switch_says(
    teli: TeliClient, control: SimulatorControl, switches: dict[str, object], stored: str | None
) -> None:
    await control.switch(**switches)

    number = await teli.buy(nickname=" [gw-1] Sales ")

    assert [row["nickname"] for row in await teli.rows()] == [stored]
    await teli.update(number, nickname=" [gw-1] Sales ")
    assert [row["nickname"] for row in await teli.rows()] == [stored]
    assert [purchase["nickname"] for purchase in await control.purchases()] == [" [gw-1] Sales "]


async def test_one_nickname_can_be_lost_and_another_changed_by_a_person(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.arm("nickname_changed")
    await teli.buy(nickname="lost")
    renamed = await teli.buy(nickname="kept")

    await control.dashboard_rename(renamed, "Front desk")

    assert [row["nickname"] for row in await teli.rows()] == [None, "Front desk"]


async def test_somebody_else_can_buy_in_the_same_moment(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("rival_purchase")

    ours = await teli.buy(nickname="gw-1")

    assert len(await teli.listed() - {ours}) == 1
    assert sorted(purchase["bought_by"] for purchase in await control.purchases()) == ["api", "dashboard"]


async def test_a_person_can_buy_in_the_dashboard(teli: TeliClient, control: SimulatorControl) -> None:
    numbers = await control.dashboard_buy("313", ORGANIZATION, USER, count=3)

    assert await teli.listed() == set(numbers)
    assert (await control.counts())["creates"] == 0
