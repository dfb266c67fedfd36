"""The simulator as a process: how it starts, ends, and what it remembers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .control import SimulatorControl
from .program import Simulator
from .teli import ORGANIZATION, TENANT, USER, TeliClient


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "teli.sqlite"


@pytest.fixture
def strict() -> Iterator[Simulator]:
    running = Simulator("--strict")
    yield running
    running.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_at_once_with_0_even_while_a_request_is_held(number: signal.Signals) -> None:
    running = Simulator()
    async with SimulatorControl(running.control_url) as control, TeliClient(running.url) as teli:
        await control.hold("bought")
        asking = asyncio.create_task(teli.create())
        await control.until_held()
        began = time.monotonic()

        running.process.send_signal(number)

        assert await asyncio.to_thread(running.wait) == 0
        assert time.monotonic() - began < 8
        with pytest.raises(httpx.TransportError):
            await asking


async def test_a_kill_at_any_step_loses_no_truth(state: Path) -> None:
    for done, step in enumerate(("bought", "linked", "recorded", "answering"), start=1):
        running = Simulator("--state", state)
        async with SimulatorControl(running.control_url) as control, TeliClient(running.url) as teli:
            await control.hold(step)
            asking = asyncio.create_task(teli.create(nickname=step))
            await control.until_held()
            running.kill()
            with pytest.raises(httpx.TransportError):
                await asking

        again = Simulator("--state", state)
        async with SimulatorControl(again.control_url) as control:
            assert [purchase["nickname"] for purchase in await control.purchases()][-1] == step
            counts = await control.counts()
            assert (counts["bought"], counts["billed"], counts["creates"]) == (done, done, done)
            assert counts["recorded"] == max(0, done - 2)
            assert (await control.requests("create"))[-1]["ended"] == "killed"
        again.stop()


async def test_a_restart_keeps_switches_clock_keys_and_the_order_of_stock(state: Path) -> None:
    running = Simulator("--state", state)
    async with SimulatorControl(running.control_url) as control, TeliClient(running.url) as teli:
        await control.switch(nickname="dropped")
        await control.advance(1_000_000)
        await control.tenant(TENANT, "second-key")
        bought = await teli.buy()
    running.stop()

    again = Simulator("--state", state)
    async with SimulatorControl(again.control_url) as control, TeliClient(again.url, key="second-key") as teli:
        assert await teli.listed() == {bought}
        assert await teli.buy(nickname="gone") != bought
        assert (await control.switches())["nickname"] == "dropped"
        first, second = await control.purchases()
        assert second["bought_at"] > first["bought_at"]
        [former, _] = await control.requests("create")
        assert former["ended"] == "answered"
    again.stop()


async def test_the_state_file_holds_no_key(state: Path) -> None:
    running = Simulator("--state", state)
    running.stop()

    assert b"teli-test-key" not in state.read_bytes()


async def test_it_takes_the_key_from_the_command_line_too() -> None:
    running = Simulator("--key", "from-the-line", "--tenant", "acme", "--organization", "org_1", "--user", "user_1")
    async with TeliClient(running.url, key="from-the-line") as teli:
        answer = await teli.get("/v1/organizations/org_1/users")
    running.stop()

    [user] = answer.json()["users"]
    assert (user["unique_id"], user["tenant_id"]) == ("user_1", "acme")


async def test_without_a_key_it_says_what_is_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TELI_SIMULATOR_KEY"}
    command = [sys.executable, "-m", "service.simulator"]

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=10, check=False)

    assert ended.returncode == 2
    assert "TELI_SIMULATOR_KEY" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "99999"], "argument --port: must be 0 to 65535, and is 99999"),
        (["--control-port", "-1"], "argument --control-port: "),
        (["--port", "1.5"], "argument --port: must be 0 to 65535, and is 1.5"),
        (["--state", "nowhere/teli.sqlite"], "--state nowhere/teli.sqlite: unable to open database file"),
        (["--state", "."], "--state .: unable to open database file"),
        (["--state", "text"], "--state text: file is not a database"),
    ],
)
async def test_what_it_cannot_start_with_is_told_in_one_line_and_2(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no database, " * 100)
    command = [sys.executable, "-m", "service.simulator", "--key", "k", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=10)

    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"numbergate simulator: {told}")


async def test_a_port_that_is_taken_is_told_in_one_line_and_2(strict: Simulator) -> None:
    for option, url in (("--port", strict.url), ("--control-port", strict.control_url.removesuffix("/_control"))):
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "service.simulator", "--key", "k", option, port]

        ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=10)

        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"numbergate simulator: {option} {port}: Address already in use\n"


async def test_strict_refuses_what_the_documents_do_not_show(strict: Simulator) -> None:
    async with TeliClient(strict.url) as teli, SimulatorControl(strict.control_url) as control:
        refused = [
            await teli.create(organization_id=None),
            await teli.create(tenant_id=None),
            await teli.create(inbound_agent_id="agent_1"),
            await teli.create(nickname=3),
            await teli.create(user_id="1790000000001x300000000000000001"),
            await teli.list(page="2"),
            await teli.get("/v1/voice/phone-numbers", organization_id=ORGANIZATION, is_admin="true"),
        ]

        assert [answer.status_code for answer in refused] == [400] * len(refused)
        assert (await control.counts())["bought"] == 0
        number = await teli.buy(nickname="gw-1")
        assert (await teli.update(number, nickname="gw-2")).status_code == 200
        assert (await teli.list(user_id=USER)).json()["count"] == 1
        assert (await teli.release(number)).status_code == 200
