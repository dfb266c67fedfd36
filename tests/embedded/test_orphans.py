"""However a program ends, its servers end with it, and the next one carries on."""

import os
import signal
from pathlib import Path

import pytest

from .machine import alive, all_end, shared_memory_made_by
from .programs import program
from .queries import redis, sql

pytestmark = [pytest.mark.asyncio, pytest.mark.ci]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_program_told_to_stop_leaves_neither_processes_nor_temporary_files(
    tmp_path: Path, how: signal.Signals
) -> None:
    async with program(tmp=tmp_path) as run:
        assert run.data_dir.parent == tmp_path

        await run.end_by(how)

        assert await all_end(run.pids, within=5)
        assert list(tmp_path.iterdir()) == []


async def test_ctrl_c_at_a_terminal_reaches_the_program_alone(tmp_path: Path) -> None:
    async with program(tmp=tmp_path) as run:
        assert run.process.pid not in run.pids
        assert os.getpgid(run.process.pid) not in map(os.getpgid, run.pids)


async def test_a_killed_program_takes_its_servers_with_it(tmp_path: Path) -> None:
    async with program(tmp_path / "data", tmp=tmp_path) as run:
        assert len(run.pids) > 2

        await run.end_by(signal.SIGKILL)

        assert await all_end(run.pids, within=5)
        assert not shared_memory_made_by(run.pids)


async def test_after_a_killed_program_the_next_finds_the_data(tmp_path: Path) -> None:
    async with program(tmp_path / "data", tmp=tmp_path) as killed:
        await sql(killed.said["postgres_url"], "CREATE TABLE kept AS SELECT 42 AS answer")
        await redis(killed.said["valkey_url"], "SET", "key", "value")
        await killed.end_by(signal.SIGKILL)

        async with program(tmp_path / "data", tmp=tmp_path) as run:
            assert not any(map(alive, killed.pids))
            assert await sql(run.said["postgres_url"], "SELECT answer FROM kept") == 42
            assert await redis(run.said["valkey_url"], "GET", "key") == "value"


async def test_servers_that_outlive_a_killed_program_are_ended_by_the_next(tmp_path: Path) -> None:
    async with program(tmp_path / "data", tmp=tmp_path) as killed:
        servers = [killed.said["postgres_pid"], killed.said["valkey_pid"]]
        await sql(killed.said["postgres_url"], "CREATE TABLE kept AS SELECT 42 AS answer")
        # Stopped, the postmaster cannot answer the death signal, as on systems that have none.
        os.kill(servers[0], signal.SIGSTOP)
        await killed.end_by(signal.SIGKILL)
        assert alive(servers[0])

        async with program(tmp_path / "data", tmp=tmp_path) as run:
            assert not any(map(alive, killed.pids))
            assert await sql(run.said["postgres_url"], "SELECT answer FROM kept") == 42


async def test_a_second_program_on_one_directory_is_told_who_has_it(tmp_path: Path) -> None:
    async with program(tmp_path / "data", tmp=tmp_path) as first, program(tmp_path / "data", tmp=tmp_path) as second:
        assert second.said["error"] == "DataDirectoryInUse"
        assert f"in use by process {first.process.pid}" in second.said["message"]
        assert await sql(first.said["postgres_url"], "SELECT 1") == 1


async def test_the_temporary_files_of_a_killed_program_go_with_the_next_one(tmp_path: Path) -> None:
    async with program(tmp=tmp_path) as killed:
        await killed.end_by(signal.SIGKILL)
        assert killed.data_dir.exists()

        async with program(tmp=tmp_path) as run:
            assert list(tmp_path.iterdir()) == [run.data_dir]
