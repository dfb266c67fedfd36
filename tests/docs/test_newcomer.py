"""Who has read nothing but the README buys a number by curl, by the Python client and at a terminal."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import httpx
import pytest

from service.client.testing import RunningGateway, running_gateway
from tests.cli.command import environment
from tests.cli.pages import blocks

PAGE = "README.md"


@pytest.mark.processes
@pytest.mark.ci
def test_a_newcomer_buys_a_number_in_three_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
):
    took: dict[str, float] = {}
    began = time.monotonic()
    assert "./dev up" in Path(__file__).parents[2].joinpath(PAGE).read_text()
    with running_gateway(tmp_path / "data") as gateway:
        took["./dev up"] = time.monotonic() - began
        monkeypatch.chdir(tmp_path)
        ways: dict[str, Callable[[RunningGateway], None]] = {
            "curl": by_curl,
            "client": by_the_client,
            "terminal": at_a_terminal,
        }
        for numbers, (name, buys) in enumerate(ways.items(), 1):
            began = time.monotonic()
            buys(gateway)
            took[name] = time.monotonic() - began
            assert held(gateway) == numbers, name

    steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items())
    record_property("told", f"from the README to a number, by steps: {steps}; in all {sum(took.values()):.1f} s")


def by_curl(gateway: RunningGateway) -> None:
    [command] = [block for block in blocks(PAGE, "sh") if block.startswith("curl")]
    assert '"success":true' in shell(command, gateway)


def by_the_client(gateway: RunningGateway) -> None:
    [program] = blocks(PAGE, "python")
    known = {"base_url": gateway.base_url, "api_key": gateway.tenant_key, "user_id": gateway.user_id}
    with redirect_stdout(StringIO()) as said:
        exec(compile(program, PAGE, "exec"), known)
    assert said.getvalue().startswith("+1313")


def at_a_terminal(gateway: RunningGateway) -> None:
    [command] = [block for block in blocks(PAGE, "sh") if block.startswith("./dev orders")]
    shell(command, gateway)


def shell(command: str, gateway: RunningGateway) -> str:
    """Run a block of the page as it stands, where `./dev` is this checkout's."""
    dev = Path("dev")
    dev.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m service "$@"\n')
    dev.chmod(0o755)
    settings = {"BASE_URL": gateway.base_url, "API_KEY": gateway.tenant_key, "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        ["sh", "-eu", "-c", command], env=environment(settings), capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


def held(gateway: RunningGateway) -> int:
    answer = httpx.get(f"{gateway.base_url}/v1/numbers", headers={"X-API-Key": gateway.tenant_key}, timeout=60)
    return int(answer.json()["total"]["value"])
