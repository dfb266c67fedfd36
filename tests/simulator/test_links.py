"""Linking agents, renaming, and how a number is written in a path (rows 37, 47)."""

import pytest

from .control import SimulatorControl
from .teli import NUMBERS, ORGANIZATION, TENANT, TeliClient


async def test_an_update_sets_what_it_names_and_keeps_the_rest(teli: TeliClient) -> None:
    number = await teli.buy(nickname="gw-1")

    answer = await teli.update(number, inbound_agent_id="agent_1")
    await teli.update(number, outbound_agent_id="agent_2")

    assert answer.json() == {
        "success": True,
        "phone_number": number,
        "message": "Phone number updated",
        "inbound_agent_id": "agent_1",
        "powered_by": "Teli",
    }
    [row] = await teli.rows()
    assert (row["inbound_agent_id"], row["outbound_agent_id"], row["nickname"]) == ("agent_1", "agent_2", "gw-1")


@pytest.mark.parametrize("nothing", ["", None])
async def test_empty_and_null_clear_a_link(teli: TeliClient, nothing: str | None) -> None:
    number = await teli.buy()
    await teli.update(number, inbound_agent_id="agent_1", outbound_agent_id="agent_2")

    assert (await teli.update(number, inbound_agent_id=nothing)).json()["inbound_agent_id"] is None

    [row] = await teli.rows()
    assert (row["inbound_agent_id"], row["outbound_agent_id"]) == (None, "agent_2")


@pytest.mark.parametrize("fields", [{}, {"agent_id": "agent_1"}])
async def test_an_update_of_nothing_is_refused(teli: TeliClient, fields: dict[str, str]) -> None:
    number = await teli.buy()

    assert (await teli.update(number, **fields)).status_code == 400


async def test_an_unknown_number_cannot_be_updated(teli: TeliClient) -> None:
    number = await teli.buy()
    await teli.release(number)

    for gone in (number, "+13135550199"):
        assert (await teli.update(gone, nickname="x")).status_code == 404


@pytest.mark.parametrize("accepted", ["agent_id", "unique_id", "voice_agent_id", "id"])
async def test_one_form_of_agent_id_can_be_the_only_one_accepted(
    teli: TeliClient, control: SimulatorControl, accepted: str
) -> None:
    agent = await control.agent(TENANT)
    number = await teli.buy()
    await control.switch(agent_ids=accepted)

    for form in ("agent_id", "unique_id", "voice_agent_id", "id"):
        answer = await teli.update(number, inbound_agent_id=agent[form])
        assert answer.status_code == (200 if form == accepted else 400)


async def test_only_known_agents_can_be_linked_where_that_is_switched_on(
    teli: TeliClient, control: SimulatorControl
) -> None:
    made = (await teli.post("/v1/agents", name="Front desk")).json()
    number = await teli.buy()
    await control.switch(agent_ids="known")

    for form in ("agent_id", "unique_id", "voice_agent_id"):
        assert (await teli.update(number, inbound_agent_id=made[form])).status_code == 200
    assert (await teli.update(number, inbound_agent_id="agent_nobody")).status_code == 400


async def test_an_sms_number_can_be_updated_or_not_by_switch(teli: TeliClient, control: SimulatorControl) -> None:
    bought = await teli.post("/v1/sms/phone-numbers/purchase", organization_id=ORGANIZATION, area_code="415")
    number = bought.json()["phone_number"]
    assert (await teli.update(number, nickname="x")).status_code == 200

    await control.switch(sms_number_update="refused")

    assert (await teli.update(number, nickname="x")).status_code == 400


@pytest.mark.parametrize(("plus", "status"), [("+", 200), ("%2B", 200), ("%20", 404), ("", 404)])
async def test_a_plus_in_a_path_may_be_raw_or_encoded_but_no_blank(teli: TeliClient, plus: str, status: int) -> None:
    number = (await teli.buy()).replace("+", plus)

    assert (await teli.post(f"{NUMBERS}/{number}/update-agent", nickname="x")).status_code == status
    assert (await teli.delete(f"{NUMBERS}/{number}")).status_code == status
