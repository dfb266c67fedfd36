"""`numbergate up`: its line, its end, and what it does when it may not start or is not let finish."""

import os
import signal
import stat
from pathlib import Path

import httpx
import pytest

from service.cli.processes import GIVES_WAY
from service.cli.stack import Ready
from tests.simulator.control import SimulatorControl
from tests.simulator.program import KEY, Simulator

from .command import Running, numbergate
from .conftest import Stack

pytestmark = [pytest.mark.processes, pytest.mark.ci]

ORGANIZATION = "1762896364768x389173798861431550"
USER = "1762896366429x599348279945132448"


def buy(ready: dict[str, str], key: str) -> httpx.Response:
    return httpx.post(
        f"{ready['base_url']}/v1/voice/phone-numbers/create",
        headers={"X-API-Key": ready["tenant_key"], "Idempotency-Key": key},
        json={"area_code": "313", "user_id": ready["user_id"], "organization_id": ready["organization_id"]},
        timeout=60,
    )


async def test_it_prints_one_line_serves_and_ends_at_sigterm_with_0_and_nothing_left(tmp_path: Path):
    running = Running(tmp_path, "up", "--json", "--port", "0", "--data", tmp_path / "data")
    ready = running.line()

    assert list(ready) == list(Ready.__dataclass_fields__)
    assert (ready["organization_id"], ready["user_id"]) == (ORGANIZATION, USER)
    assert buy(ready, "k1").status_code == 200
    assert "numbergate_http_request_seconds" in httpx.get(ready["metrics_url"]).text
    assert '"event"' not in running.stderr(), "at warning level a purchase that went well is not worth a line"

    assert running.end() == (0, "")


async def test_after_kill_9_nothing_runs_and_the_next_start_has_the_same_keys_numbers_and_simulator(tmp_path: Path):
    killed = Running(tmp_path, "up", "--json", "--port", "0", "--data", tmp_path / "data")
    before = killed.line()
    bought = buy(before, "k1").json()

    code, _ = killed.end(signal.SIGKILL)
    assert code == -signal.SIGKILL

    again = Running(tmp_path, "up", "--json", "--port", "0", "--data", tmp_path / "data")
    after = again.line()
    keys = ("admin_key", "tenant_key", "finance_key", "operator_key")
    assert {name: after[name] for name in keys} == {name: before[name] for name in keys}
    replay = buy(after, "k1")
    assert (replay.json(), replay.headers["idempotent-replayed"]) == (bought, "true")
    async with SimulatorControl(after["teli_control_url"]) as teli:
        assert [purchase["phone_number"] for purchase in await teli.purchases()] == [bought["phone_number"]]
    assert again.end(signal.SIGINT) == (0, "")


async def test_an_api_or_worker_that_is_killed_is_started_again_and_its_callers_wait(tmp_path: Path):
    running = Running(tmp_path, "up", "--json", "--port", "0", "--data", tmp_path / "data")
    ready = running.line()
    children = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in running.family()}
    [api] = [pid for pid, command in children.items() if "\0serve\0" in command]
    [worker] = [pid for pid, command in children.items() if "\0worker\0" in command]
    niceness = {pid: os.getpriority(os.PRIO_PROCESS, pid) for pid in (api, worker)}
    assert niceness[worker] == niceness[api] + GIVES_WAY

    for pid in (api, worker):
        os.kill(pid, signal.SIGKILL)
    answer = buy(ready, "k1")

    assert answer.status_code == 200
    assert "the API ended (-9) and is started again" in running.stderr()
    assert running.end() == (0, "")


async def test_what_only_its_owner_may_know_only_its_owner_may_read(stack: Stack):
    assert stat.S_IMODE(stack.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((stack.data / "credentials.json").stat().st_mode) == 0o600


async def test_a_second_one_on_the_same_data_is_refused_in_one_line(stack: Stack):
    ended = numbergate("up", "--json", "--port", "0", "--data", stack.data)

    assert (ended.returncode, ended.stdout) == (1, "")
    [line] = ended.stderr.splitlines()
    assert "in use by process" in line
    assert "--data" in line


async def test_a_taken_port_is_told_in_one_line_before_anything_starts(stack: Stack, tmp_path: Path):
    port = stack.ready["base_url"].rsplit(":", 1)[1]

    for command in (["up", "--data", tmp_path], ["demo", "--data", tmp_path], ["serve"]):
        ended = numbergate(*command, "--port", port, **(stack.settings if command == ["serve"] else {}))

        assert (ended.returncode, ended.stdout.replace("✓ loading the program\n", "")) == (1, "")
        assert (
            ended.stderr
            == f"numbergate: port {port} of 127.0.0.1 is taken: choose another with --port (0: any free one)\n"
        )
    assert list(tmp_path.iterdir()) == []


async def test_ctrl_c_while_it_starts_leaves_nothing_running_and_the_next_start_is_well(tmp_path: Path):
    running = Running(tmp_path, "up", "--json", "--port", "0", "--data", tmp_path / "data")
    running.until_told("PostgreSQL and Valkey")

    assert running.end(signal.SIGINT) == (130, "")

    again = Running(tmp_path, "up", "--json", "--port", "0", "--data", tmp_path / "data")
    assert buy(again.line(), "k1").status_code == 200
    assert again.end() == (0, "")


async def test_it_serves_from_another_upstream(tmp_path: Path):
    other = Simulator()
    running = Running(
        tmp_path, "up", "--json", "--port", "0", "--data", tmp_path / "data", "--teli-url", other.url, "--teli-key", KEY
    )
    ready = running.line()

    assert (ready["teli_url"], ready["teli_control_url"]) == (other.url, None)
    bought = buy(ready, "k1").json()
    async with SimulatorControl(other.control_url) as teli:
        assert [purchase["phone_number"] for purchase in await teli.purchases()] == [bought["phone_number"]]
    assert running.end() == (0, "")
    other.stop()
