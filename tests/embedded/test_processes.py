import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from service.embedded import processes
from service.embedded.processes import Mark

from .machine import alive

pytestmark = pytest.mark.asyncio

SLEEPER = "import time; print(flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


async def running(code: str, *arguments: str) -> Process:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *arguments, stdout=PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def test_only_what_carries_the_mark_is_ended(tmp_path: Path) -> None:
    mark = Mark.of(tmp_path)
    marked, other = await running(SLEEPER, mark.text), await running(SLEEPER)
    try:
        await mark.end(by=signal.SIGTERM)

        assert await marked.wait() == -signal.SIGTERM
        assert alive(other.pid)
    finally:
        other.kill()
        await other.wait()


async def test_what_ignores_its_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_GRACE", 0.1)
    mark = Mark.of(tmp_path)
    stubborn = await running(STUBBORN, mark.text)

    await mark.end(by=signal.SIGTERM)

    assert await stubborn.wait() == -signal.SIGKILL


async def test_each_directory_has_a_mark_of_its_own_that_stays(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    before = Mark.of(tmp_path / "one")

    (tmp_path / "one").rename(tmp_path / "moved")

    assert Mark.of(tmp_path / "moved") == before
    assert Mark.of(tmp_path / "other") != before


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no ps to ask")
async def test_where_there_is_no_proc_ps_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes.runs(os.getpid(), "python")

    monkeypatch.setattr(processes, "_PROC", tmp_path)

    assert processes.runs(os.getpid(), "python")
    assert not processes.runs(os.getpid(), "no such thing")
