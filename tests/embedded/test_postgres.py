import asyncio
import os
import signal
import socket
import stat
from asyncio.subprocess import DEVNULL
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from service.embedded import DataDirectoryInUse, EmbeddedPostgres, EngineFailed, ports, processes

from .machine import alive, all_end, command_lines, descendants, shared_memory_made_by
from .queries import sql

pytestmark = pytest.mark.asyncio


async def test_a_first_start_makes_a_postgres_18_in_utf8(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        assert (await sql(postgres.superuser_url(), "SHOW server_version")).startswith("18.")
        assert await sql(postgres.superuser_url(), "SHOW server_encoding") == "UTF8"
        assert await sql(postgres.superuser_url(), "SELECT upper('é')") == "É"


async def test_commits_wait_for_the_disk_unless_told_otherwise(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as postgres:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await sql(postgres.superuser_url(), f"SHOW {setting}") == "on"

    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        assert await sql(postgres.superuser_url(), "SHOW fsync") == "off"


async def test_a_later_run_finds_the_data_of_the_one_before(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        await sql(postgres.superuser_url(), "CREATE TABLE kept AS SELECT 42 AS answer")

    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        assert await sql(postgres.superuser_url(), "SELECT answer FROM kept") == 42


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_keeps_the_data_and_the_address(tmp_path: Path, mode: str) -> None:
    async with EmbeddedPostgres(tmp_path) as postgres:
        url = postgres.superuser_url()
        await sql(url, "CREATE TABLE kept AS SELECT 42 AS answer")

        await postgres.restart("fast" if mode == "fast" else "immediate")

        assert postgres.superuser_url() == url
        assert await sql(url, "SELECT answer FROM kept") == 42


async def test_a_start_replaces_a_server_that_still_runs(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        first = postgres.pid

        await postgres.start()

        assert postgres.pid != first
        assert await all_end([first], within=0)


async def test_a_stop_does_not_wait_for_clients(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        client = await asyncpg.connect(postgres.superuser_url())
        pids = [postgres.pid, *descendants(postgres.pid)]

        await postgres.stop()

        assert await all_end(pids, within=0)
        client.terminate()


async def test_a_killed_server_starts_again_with_what_was_committed(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as postgres:
        await sql(postgres.superuser_url(), "CREATE TABLE kept AS SELECT 42 AS answer")
        client = await asyncpg.connect(postgres.superuser_url())
        killed = [postgres.pid, *descendants(postgres.pid)]

        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.start()

        assert await all_end(killed, within=0)
        assert await sql(postgres.superuser_url(), "SELECT answer FROM kept") == 42
        client.terminate()


async def test_a_backend_busy_in_a_query_does_not_outlive_its_killed_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GRACE", 0.1)
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        client = await asyncpg.connect(postgres.superuser_url())
        backend = await client.fetchval("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)  # Busier than any query: it cannot even notice.

        await postgres.kill()
        await postgres.start()

        assert await all_end([backend], within=0)
        client.terminate()


async def test_a_server_killed_for_good_leaves_no_shared_memory(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        pids = [postgres.pid, *descendants(postgres.pid)]
        assert shared_memory_made_by(pids)

        await postgres.kill()

    assert not shared_memory_made_by(pids)


async def test_a_pid_file_that_names_a_stranger_does_not_stop_a_start(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        pid_file = postgres.home / "cluster" / "postmaster.pid"
        stale = pid_file.read_text().replace(str(postgres.pid), str(os.getppid()), 1)
    pid_file.write_text(stale)

    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        assert await sql(postgres.superuser_url(), "SELECT 1") == 1


@pytest.mark.parametrize("after", [0.01, 0.1, 0.3, 0.5])
async def test_a_start_given_up_halfway_leaves_nothing_running(tmp_path: Path, after: float) -> None:
    before = descendants(os.getpid())  # Other tests' engines may run.
    with suppress(TimeoutError):
        async with asyncio.timeout(after), EmbeddedPostgres(tmp_path, fast=True):
            await asyncio.Event().wait()

    assert descendants(os.getpid()) == before
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        assert await sql(postgres.superuser_url(), "SELECT 1") == 1


async def test_a_half_written_pid_file_does_not_stop_a_start(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        await postgres.stop()
        (postgres.home / "cluster" / "postmaster.pid").touch()

        await postgres.start()

        assert await sql(postgres.superuser_url(), "SELECT 1") == 1


async def test_a_server_started_by_hand_is_not_disturbed(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        await postgres.stop()
        cluster = postgres.home / "cluster"
        by_hand = await asyncio.create_subprocess_exec("tail", "-f", cluster / "PG_VERSION", stdout=DEVNULL)
        try:
            (cluster / "postmaster.pid").write_text(f"{by_hand.pid}\n")

            with pytest.raises(DataDirectoryInUse, match=f"process {by_hand.pid}, a server started by hand"):
                await postgres.start()

            assert alive(by_hand.pid)
        finally:
            by_hand.kill()
            await by_hand.wait()


async def test_an_interrupted_initdb_is_begun_again(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        assert await sql(postgres.superuser_url(), "SELECT 1") == 1
    assert not half.exists()


async def test_a_port_lost_to_somebody_quicker_is_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((ports.HOST, 0)) as quicker:
        taken, free = quicker.getsockname()[1], ports.free_port()
        offered = iter([taken, free])
        # A patch, for no test can lose the race on purpose: it lasts microseconds.
        monkeypatch.setattr(ports, "free_port", lambda: next(offered))

        async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
            assert postgres.port == free


async def test_a_port_asked_for_that_is_taken_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server((ports.HOST, 0)) as somebody:
        port = somebody.getsockname()[1]

        with pytest.raises(EngineFailed, match=f"somebody else has port {port}"):
            async with EmbeddedPostgres(tmp_path, port, fast=True):
                pass


async def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        await postgres.stop()
        (postgres.home / "cluster" / "global" / "pg_control").unlink()

        with pytest.raises(EngineFailed, match="could not find the database system"):
            await postgres.start()


async def test_a_second_server_on_one_directory_is_refused(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        with pytest.raises(DataDirectoryInUse, match=f"in use by process {os.getpid()}"):
            async with EmbeddedPostgres(tmp_path, fast=True):
                pass
        assert await sql(postgres.superuser_url(), "SELECT 1") == 1


async def test_an_engine_starts_only_while_it_is_open(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await EmbeddedPostgres(tmp_path).start()


async def test_nobody_enters_without_the_password(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await sql(postgres.url("postgres", "postgres", "a guess"), "SELECT 1")


async def test_a_url_carries_any_name_and_password(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        await sql(postgres.superuser_url(), """CREATE ROLE "ann@home" LOGIN PASSWORD 'a:/?#@ é'""")

        assert await sql(postgres.url("postgres", "ann@home", "a:/?#@ é"), "SELECT user") == "ann@home"


async def test_the_password_is_in_a_private_file_and_in_no_command_line(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        file = postgres.home / "password"

        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text() in postgres.superuser_url()
        assert file.read_text() not in command_lines()


async def test_it_listens_on_the_loopback_interface_alone(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path, fast=True) as postgres:
        assert await sql(postgres.superuser_url(), "SHOW listen_addresses") == "127.0.0.1"
        assert await sql(postgres.superuser_url(), "SHOW unix_socket_directories") == ""
