"""The bench of the paths, for so short that its figures mean nothing: each of them is told all the same."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.bench.paths.command import CASES, PATHS

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]
ASKED = ("replay", "quota_refusal", "bad_key", "number", "idle")


async def bench(*arguments: str) -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, errors = await process.communicate()
    return process.returncode, said, errors


async def test_every_path_asked_for_is_a_line_with_its_ratios() -> None:
    code, said, errors = await bench(*ASKED, "--rounds", "1", "--seconds", "0.2", "--json")

    assert code == 0, errors.decode()
    lines = [json.loads(line) for line in said.splitlines()]
    cases = [(case.path, case.callers) for case in CASES if case.path in ASKED]
    assert [(line["path"], line["callers"]) for line in lines] == [("idle", 0), *cases]
    assert 50 < lines[0]["ours"] < 500
    for line in lines[1:]:
        assert line["ours"] > 0
        assert line["ratio_floor"] > 0
        assert line["ratio_usual"] > 0
        assert line["spread"] == 0


async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "replay"),
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        while not list(tmp_path.glob("*/ours.log")):
            await asyncio.sleep(0.1)
    started = _below(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()

    assert process.returncode == 130
    assert errors.decode() == "stopped; what was started is gone\n"
    assert list(tmp_path.iterdir()) == []
    assert len(started) > 3
    assert not [pid for pid in started if Path("/proc", str(pid)).exists()]


def _below(pid: int) -> list[int]:
    """The processes that this one started, and those that they did."""
    children = Path("/proc", str(pid), "task", str(pid), "children").read_text().split()
    return [one for child in map(int, children) for one in (child, *_below(child))]


async def test_a_path_that_is_none_is_named_with_those_that_are() -> None:
    code, _, errors = await bench("creates")

    assert code == 1
    assert errors.decode().strip() == f"no path: creates; there are {', '.join(PATHS)}"
