"""The control interface itself: how faults are armed, what is refused, what is logged."""

import asyncio
from typing import Any

import httpx
import pytest

from .control import ControlRefused, SimulatorControl
from .program import KEY, Simulator
from .teli import ORGANIZATION, USER, TeliClient


async def _statuses(teli: TeliClient, creates: int) -> list[int]:
    return [(await teli.create()).status_code for _ in range(creates)]


async def test_a_fault_strikes_once_unless_told_otherwise(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("html_error")

    assert await _statuses(teli, 3) == [502, 200, 200]


async def test_a_fault_strikes_as_often_as_it_has_shots(teli: TeliClient, control: SimulatorControl) -> None:
    fault = await control.arm("html_error", 2)

    assert await _statuses(teli, 3) == [502, 502, 200]
    armed = await control.armed(fault)
    assert (armed["struck"], armed["spent"]) == (2, True)


async def test_the_same_seed_strikes_the_same_requests(teli: TeliClient, control: SimulatorControl) -> None:
    runs = []
    for _ in range(2):
        fault = await control.arm("html_error", probability=0.5, seed=7)
        runs.append(await _statuses(teli, 40))
        await control.disarm(fault)

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 502}


async def test_a_fault_strikes_only_the_requests_it_matches(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("html_error", match={"area_code": "313", "user_id": USER})

    assert (await teli.create("415")).status_code == 200
    assert (await teli.create("313")).status_code == 502


async def test_a_shot_is_used_by_the_request_that_gets_to_its_step(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("html_error", step="bought")

    assert (await teli.create("999")).status_code == 500
    assert (await teli.create("313")).status_code == 502


async def test_a_fault_strikes_the_operation_it_was_armed_for(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("html_error", operation="list")

    assert (await teli.create()).status_code == 200
    assert (await teli.list()).status_code == 502


async def test_a_disarmed_fault_strikes_no_more(teli: TeliClient, control: SimulatorControl) -> None:
    fault = await control.arm("html_error", 5)
    await teli.create()
    await control.disarm(fault)
    await control.arm("html_error", 5)
    await control.disarm()

    assert (await teli.create()).status_code == 200


async def test_an_unknown_fault_is_refused_with_the_known_ones(control: SimulatorControl) -> None:
    with pytest.raises(ControlRefused, match="unknown fault earthquake") as refused:
        await control.arm("earthquake")

    assert refused.value.known == sorted(fault["name"] for fault in await control.catalogue())


async def test_an_unknown_parameter_is_refused_with_the_known_ones(control: SimulatorControl) -> None:
    with pytest.raises(ControlRefused, match="minutes") as refused:
        await control.arm("slow", minutes=3)

    assert refused.value.known == ["operation", "seconds", "step"]


@pytest.mark.parametrize(
    ("fault", "params"),
    [
        ("slow", {"step": "dialled"}),
        ("slow", {"operation": "list", "step": "bought"}),
        ("slow", {"operation": "nothing"}),
        ("no_number", {"operation": "list"}),
        ("no_number", {"step": "received"}),
        ("no_number", {"form": "roman"}),
    ],
)
async def test_a_parameter_that_makes_no_sense_is_refused(
    control: SimulatorControl, fault: str, params: dict[str, Any]
) -> None:
    with pytest.raises(ControlRefused):
        await control.arm(fault, **params)


async def test_a_match_by_what_the_request_cannot_say_is_refused_with_what_it_can(control: SimulatorControl) -> None:
    with pytest.raises(ControlRefused, match="match: create has no areacode, phone_number") as refused:
        await control.arm("html_error", match={"areacode": "313", "user_id": USER, "phone_number": "+1"})

    assert refused.value.known == ["area_code", "nickname", "organization_id", "tenant_id", "user_id"]
    for operation, field in (("release", "phone_number"), ("list", "is_admin"), ("update_agent", "nickname")):
        await control.arm("html_error", operation=operation, match={field: "x"})


@pytest.mark.parametrize(
    ("fault", "params", "words"),
    [
        ("not_recorded", {"step": "bought"}, "step: Input should be 'linked'"),
        ("slow", {"operation": "nothing"}, "body: operation must be one of create, "),
        ("slow", {"step": "dialled"}, "body: step must be one of received, bought, "),
    ],
)
async def test_what_is_wrong_with_a_parameter_is_told_in_words_without_code(
    control: SimulatorControl, fault: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(ControlRefused) as refused:
        await control.arm(fault, **params)

    assert str(refused.value).startswith(words)


async def test_an_unknown_path_and_method_are_told_in_json_with_the_known_ones(simulator: Simulator) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        unknown = await http.get(f"{simulator.control_url}/dashbord/buy")
        method = await http.get(f"{simulator.control_url}/dashboard/buy")

    assert (unknown.status_code, unknown.json()["error"]) == (404, "unknown path /_control/dashbord/buy")
    assert "/_control/dashboard/buy" in unknown.json()["known"]
    assert (method.status_code, method.json()["known"], method.headers["Allow"]) == (405, ["POST"], "POST")


async def test_an_unknown_switch_is_refused_with_the_known_ones_and_turns_nothing(control: SimulatorControl) -> None:
    before = await control.switches()

    with pytest.raises(ControlRefused, match="gravity") as refused:
        await control.switch(gravity="off", nickname="dropped")

    assert refused.value.known == sorted(before)
    assert await control.switches() == before


async def test_a_switch_of_latency_must_name_an_operation(control: SimulatorControl) -> None:
    with pytest.raises(ControlRefused, match="unknown operation jump"):
        await control.switch(latency_ms={"jump": 3})


async def test_the_log_tells_what_came_and_how_it_ended_and_holds_no_key(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await teli.create("313", nickname="gw-1")
    await teli.list()

    created, listed = await control.requests()

    assert (created["operation"], created["method"], created["status"], created["ended"]) == (
        "create",
        "POST",
        200,
        "answered",
    )
    assert created["body"]["nickname"] == "gw-1"
    assert created["received_at"] <= created["ended_at"]
    assert (listed["operation"], listed["query"]["user_id"]) == ("list", USER)
    assert KEY not in str([created, listed])


async def test_a_body_that_came_before_is_marked_as_a_retry(teli: TeliClient, control: SimulatorControl) -> None:
    await teli.create(nickname="one")
    await teli.create(nickname="two")
    await teli.create(nickname="one")

    first, second, third = await control.requests("create")

    assert (first["retry_of"], second["retry_of"], third["retry_of"]) == (None, None, first["request_id"])


async def test_a_cleared_log_keeps_its_counts_and_its_numbering(teli: TeliClient, control: SimulatorControl) -> None:
    await teli.buy()
    [before] = await control.requests("create")
    await control.forget_requests()
    await teli.buy()

    [request] = await control.requests("create")

    assert request["request_id"] > before["request_id"]
    assert (await control.counts())["creates"] == 2


async def test_a_path_that_teli_does_not_have_is_logged_too(teli: TeliClient, control: SimulatorControl) -> None:
    assert (await teli.get("/v1/voice/phone-numbers/buy-all/now")).status_code == 404

    [request] = await control.requests()
    assert (request["operation"], request["path"]) == ("unknown", "/v1/voice/phone-numbers/buy-all/now")


async def test_a_reset_drops_what_is_under_way_before_it_can_buy(teli: TeliClient, control: SimulatorControl) -> None:
    await control.hold("received")
    asking = asyncio.create_task(teli.create())
    await control.until_held()

    await control.reset()

    with pytest.raises(httpx.TransportError):
        await asking
    assert await control.counts() == {"bought": 0, "held": 0, "recorded": 0, "billed": 0, "creates": 0}


async def test_a_reset_forgets_everything_but_the_seed(teli: TeliClient, control: SimulatorControl) -> None:
    await teli.buy()
    await control.arm("html_error")
    await control.switch(nickname="dropped")
    await control.user(ORGANIZATION)
    await control.stock("313", 0)
    await control.reset()

    assert await teli.buy("313", nickname="gw-1") == "+13135550100"
    assert [row["nickname"] for row in await teli.rows()] == ["gw-1"]
    assert (await teli.get(f"/v1/organizations/{ORGANIZATION}/users")).json()["count"] == 1


async def test_the_control_interface_is_not_on_telis_port(simulator: Simulator, teli: TeliClient) -> None:
    assert simulator.control_url.startswith("http://127.0.0.1:")
    assert (await teli.get("/_control/truth")).status_code == 404
