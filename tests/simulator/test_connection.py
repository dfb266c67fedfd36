"""Answers that come late, never, or by another way (rows 7 to 12)."""

import asyncio
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from .control import SimulatorControl
from .program import KEY, Simulator
from .teli import NUMBERS, USER, TeliClient


async def _until_recorded(control: SimulatorControl, numbers: int) -> None:
    async with asyncio.timeout(5):
        while (await control.counts())["recorded"] < numbers:
            await asyncio.sleep(0.01)


async def test_a_slow_create_answers_late_and_buys_once(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("slow", seconds=0.3)
    began = time.monotonic()

    assert await teli.buy()

    assert time.monotonic() - began >= 0.3
    assert (await control.counts())["bought"] == 1


async def test_a_client_that_gives_up_after_the_purchase_does_not_stop_it(
    simulator: Simulator, control: SimulatorControl
) -> None:
    await control.arm("client_leaves", step="bought")

    async with TeliClient(simulator.url, timeout=0.2) as hasty:
        with pytest.raises(httpx.ReadTimeout):
            await hasty.create()

    await _until_recorded(control, 1)
    async with asyncio.timeout(5):
        while (await control.requests("create"))[0]["ended"] is None:
            await asyncio.sleep(0.01)
    assert (await control.requests("create"))[0]["ended"] == "client_left"
    assert await control.counts() == {"bought": 1, "held": 1, "recorded": 1, "billed": 1, "creates": 1}


async def test_nothing_is_recorded_before_the_client_has_left(simulator: Simulator, control: SimulatorControl) -> None:
    await control.arm("client_leaves", step="bought")

    async with TeliClient(simulator.url) as patient:
        asking = asyncio.create_task(patient.create())
        await asyncio.sleep(0.2)
        during = await control.counts()
        asking.cancel()

    assert (during["bought"], during["recorded"]) == (1, 0)
    await _until_recorded(control, 1)


async def test_a_reset_before_buying_leaves_nothing(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("reset", step="received")

    with pytest.raises(httpx.ReadError):
        await teli.create()

    assert (await control.counts())["bought"] == 0
    [request] = await control.requests("create")
    assert (request["ended"], request["status"]) == ("disconnected", None)


@pytest.mark.parametrize(
    ("step", "linked", "recorded"),
    [("bought", False, 0), ("linked", True, 0), ("recorded", True, 1), ("answering", True, 1)],
)
async def test_a_reset_after_buying_leaves_what_its_step_had_done(
    teli: TeliClient, control: SimulatorControl, step: str, linked: bool, recorded: int
) -> None:
    await control.arm("reset", step=step)

    with pytest.raises(httpx.ReadError):
        await teli.create()

    truth = await control.truth()
    assert len(truth["carrier"]["held"]) == 1
    assert any(link["linked"] for link in truth["provider"]["links"]) is linked
    assert len(truth["record"]["rows"]) == recorded


async def test_a_reset_is_a_tcp_reset_and_no_orderly_end(simulator: Simulator, control: SimulatorControl) -> None:
    await control.arm("reset", step="answering")
    address = urlsplit(simulator.url)
    body = f'{{"area_code": "313", "user_id": "{USER}"}}'
    head = f"POST {NUMBERS}/create HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"

    def ask() -> bytes:
        with socket.create_connection((address.hostname, address.port), timeout=5) as line:
            line.sendall((head + body).encode())
            return line.recv(1)

    with pytest.raises(ConnectionResetError):
        await asyncio.to_thread(ask)


async def test_while_offline_connections_are_refused_and_nothing_arrives(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await teli.buy()
    await control.offline()

    # The first may still go by the connection of the purchase, whose end has perhaps not come through yet.
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        await teli.create()
    for _ in range(2):
        with pytest.raises(httpx.ConnectError):
            await teli.create()
    await control.online()

    await teli.buy()
    assert (await control.counts())["creates"] == 2


async def test_going_offline_lets_a_request_under_way_have_its_answer(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.hold("answering")
    asking = asyncio.create_task(teli.create())
    await control.until_held()

    await control.offline()
    await control.release_holds()

    assert (await asking).status_code == 200
    with pytest.raises(httpx.ConnectError):
        await teli.create()


async def test_a_303_names_a_place_where_the_answer_can_be_fetched_once(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.arm("see_other", takes_seconds=0.2)

    redirected = await teli.create()
    assert redirected.status_code == 303
    assert (await control.counts())["bought"] == 0

    answer = await teli.get(redirected.headers["Location"])

    assert answer.status_code == 200
    assert [answer.json()["phone_number"]] == (await control.truth())["carrier"]["held"]
    assert (await teli.get(redirected.headers["Location"])).status_code == 404
    assert (await control.counts())["bought"] == 1


async def test_a_303_that_nobody_follows_buys_all_the_same(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("see_other", takes_seconds=0)

    await teli.create()

    await _until_recorded(control, 1)


async def test_a_303_followed_by_post_buys_again_and_shows_in_the_log(
    teli: TeliClient, control: SimulatorControl
) -> None:
    await control.arm("see_other", takes_seconds=0)
    redirected = await teli.create()

    place = httpx.URL(redirected.headers["Location"])
    await teli.post(str(place), area_code="313", user_id=USER)

    [_, followed] = await control.requests("create")
    assert "__modal_function_call_id" in followed["query"]
    await _until_recorded(control, 2)


async def test_a_held_create_goes_on_when_let_go(teli: TeliClient, control: SimulatorControl) -> None:
    await control.hold("bought")
    asking = asyncio.create_task(teli.create())

    [held] = await control.until_held()

    assert (held["operation"], held["step"]) == ("create", "bought")
    assert (await control.counts())["bought"] == 1
    assert await control.release_holds(held["request_id"]) == 1
    assert (await asking).status_code == 200
    assert await control.holds() == []
