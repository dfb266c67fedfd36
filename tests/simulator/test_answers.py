"""Answers that are broken, odd, or not Teli's at all (rows 6, 13 to 16, 38 to 42)."""

import json
import re

import httpx
import pytest

from .control import SimulatorControl
from .program import Simulator
from .teli import NUMBERS, TENANT, TeliClient


@pytest.mark.parametrize(("step", "bought"), [("received", 0), ("bought", 1), ("answering", 1)])
async def test_a_provider_failure_buys_or_does_not_by_its_step(
    teli: TeliClient, control: SimulatorControl, step: str, bought: int
) -> None:
    await control.arm("server_error", step=step, message="Twilio timeout")

    answer = await teli.create()

    assert (answer.status_code, answer.json()["message"]) == (500, "Twilio timeout")
    assert answer.json()["error"] == "Failed to provision phone number"
    assert (await control.counts())["bought"] == bought


async def test_a_provider_failure_can_come_without_a_message(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("server_error", message=None)

    assert "message" not in (await teli.create()).json()


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize(("step", "bought"), [("received", 0), ("answering", 1)])
async def test_a_proxys_html_page_hides_whether_anything_was_bought(
    teli: TeliClient, control: SimulatorControl, status: int, step: str, bought: int
) -> None:
    await control.arm("html_error", status=status, step=step)

    answer = await teli.create()

    assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (status, "text/html")
    assert (await control.counts())["bought"] == bought


@pytest.mark.parametrize("status", [200, 204, 500])
async def test_a_body_can_be_empty(teli: TeliClient, control: SimulatorControl, status: int) -> None:
    await control.arm("empty_body", status=status)

    answer = await teli.create()

    assert (answer.status_code, answer.content) == (status, b"")
    assert (await control.counts())["bought"] == 1


async def test_json_can_end_in_the_middle(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("cut_json")

    answer = await teli.create()

    assert answer.status_code == 200
    assert answer.text.startswith('{"success":true')
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(
    ("form", "status", "success"),
    [("left_out", 200, True), ("null", 200, True), ("success_false", 200, False), ("accepted", 202, True)],
)
async def test_a_2xx_can_lack_the_number_that_was_bought(
    teli: TeliClient, control: SimulatorControl, form: str, status: int, success: bool
) -> None:
    await control.arm("no_number", form=form)

    answer = await teli.create()

    assert (answer.status_code, answer.json()["success"]) == (status, success)
    assert answer.json().get("phone_number") is None
    counts = await control.counts()
    assert (counts["bought"], counts["recorded"]) == (1, 1)


@pytest.mark.parametrize(("step", "bought"), [("received", 0), ("answering", 1)])
async def test_a_200_can_be_an_error(teli: TeliClient, control: SimulatorControl, step: str, bought: int) -> None:
    await control.arm("success_false", step=step)

    answer = await teli.create()

    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert (await control.counts())["bought"] == bought


async def test_a_request_without_a_key_is_refused(simulator: Simulator, control: SimulatorControl) -> None:
    async with TeliClient(simulator.url, key=None) as nobody:
        answer = await nobody.create()

    assert answer.status_code == 401
    assert answer.json() == {"error": "API key is required", "success": False}


async def test_an_unknown_key_is_refused_in_either_documented_body(
    simulator: Simulator, control: SimulatorControl
) -> None:
    async with TeliClient(simulator.url, key="wrong") as stranger:
        assert (await stranger.create()).json() == {"error": "Invalid API key", "success": False}

        await control.switch(invalid_key_body="powered_by", invalid_key_status=403)
        answer = await stranger.create()

    assert (answer.status_code, answer.json()) == (403, {"error": "Invalid API key", "powered_by": "Teli"})
    assert (await control.counts())["bought"] == 0


@pytest.mark.parametrize(("status", "answered"), [("revoked", 401), ("forbidden", 403)])
async def test_a_key_can_be_taken_away_midway(
    simulator: Simulator, control: SimulatorControl, status: str, answered: int
) -> None:
    await control.tenant(TENANT, "second-key")
    async with TeliClient(simulator.url, key="second-key") as teli:
        await teli.buy()
        await control.tenant(TENANT, "second-key", status)

        assert (await teli.create()).status_code == answered


async def test_a_good_key_can_be_refused_once(teli: TeliClient, control: SimulatorControl) -> None:
    await control.arm("unauthorized", status=403)

    assert (await teli.create()).status_code == 403
    assert (await teli.create()).status_code == 200


@pytest.mark.parametrize("retry_after", [7, None])
async def test_too_many_requests_buys_nothing(
    teli: TeliClient, control: SimulatorControl, retry_after: int | None
) -> None:
    await control.arm("too_many_requests", retry_after=retry_after)

    answer = await teli.create()

    assert answer.status_code == 429
    assert answer.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    assert (await control.counts())["bought"] == 0


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("error_success", {"error", "success"}),
        ("error_powered_by", {"error", "powered_by"}),
        ("error_only", {"error"}),
        ("error_message", {"error", "message", "success", "powered_by"}),
        ("error_detail", {"error", "detail", "success"}),
        ("detail_list", {"detail"}),
    ],
)
async def test_an_error_can_have_any_of_the_known_bodies(
    teli: TeliClient, control: SimulatorControl, shape: str, keys: set[str]
) -> None:
    await control.switch(error_shape=shape)

    for answer in (await teli.create("999"), await teli.release("+13135550100")):
        assert answer.json().keys() == keys


@pytest.mark.parametrize(("shape", "content_type"), [("html", "text/html"), ("text", "text/plain")])
async def test_an_error_can_be_no_json(
    teli: TeliClient, control: SimulatorControl, shape: str, content_type: str
) -> None:
    await control.switch(error_shape=shape)

    assert (await teli.create("999")).headers["Content-Type"].startswith(content_type)


async def test_json_can_be_oddly_written(teli: TeliClient, control: SimulatorControl) -> None:
    plain = (await teli.create()).json()

    async def odd(form: str) -> httpx.Response:
        await control.arm("odd_json", form=form)
        return await teli.create()

    assert "x_unknown" in (await odd("extra_fields")).json()
    assert (await odd("nulls")).json()["area_code"] is None
    assert list((await odd("reversed")).json()) == list(reversed(plain))
    await control.arm("odd_json", operation="list", form="text_numbers")
    assert (await teli.list()).json()["count"] == "4"


@pytest.mark.parametrize(
    ("time_format", "form"),
    [
        ("as_documented", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"),
        ("offset", r".*\.\d{6}\+00:00"),
        ("zulu", r".*\.\d{3}Z"),
        ("epoch", r"\d{13}"),
        ("empty", ""),
    ],
)
async def test_times_have_the_form_that_is_switched_on(
    teli: TeliClient, control: SimulatorControl, time_format: str, form: str
) -> None:
    await control.switch(time_format=time_format)
    await teli.buy()

    [row] = await teli.rows()

    assert re.fullmatch(form, str(row["created_at"]))


async def test_a_body_that_is_not_json_is_refused(simulator: Simulator, control: SimulatorControl) -> None:
    async with httpx.AsyncClient(base_url=simulator.url, headers={"X-API-Key": "teli-test-key"}) as http:
        answer = await http.post(f"{NUMBERS}/create", content=b"{", headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["error"]) == (400, "Invalid JSON")
