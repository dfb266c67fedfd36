"""The engines run under any user, and change nothing outside their directory."""

import os
import pwd
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .machine import all_end, user_of
from .programs import program
from .queries import redis, sql

pytestmark = [
    pytest.mark.ci,
    pytest.mark.asyncio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become every kind of user; the others run as it is"),
]

NOBODY = pwd.getpwnam("nobody").pw_uid
NAMELESS = 54_321

# As container engines start root: it may not map itself into a user namespace, nor look into other users' processes.
CONTAINER_ROOT = ("setpriv", "--bounding-set=-setfcap,-sys_ptrace")


def user(uid: int) -> tuple[str, ...]:
    """Runs as an ordinary user, who may however read the interpreter, wherever this machine keeps it."""
    read_all = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *read_all)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def closed_folder(open_folder: Path) -> Path:
    """One like /root."""
    folder = open_folder / "closed"
    folder.mkdir(mode=0o700)
    return folder


async def test_root_runs_in_a_folder_that_nobody_else_may_enter(closed_folder: Path) -> None:
    async with program(closed_folder / "data", tmp=closed_folder) as run:
        assert await sql(run.said["postgres_url"], "SELECT 1") == 1
        assert user_of(run.said["postgres_pid"]) == 0
        assert closed_folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("uid", [NOBODY, NAMELESS])
async def test_an_ordinary_user_runs_in_a_folder_of_its_own(open_folder: Path, uid: int) -> None:
    own = open_folder / "own"
    own.mkdir(mode=0o700)
    os.chown(own, uid, uid)

    async with program(own / "data", tmp=own, through=user(uid)) as run:
        assert await sql(run.said["postgres_url"], "SELECT 1") == 1
        assert await redis(run.said["valkey_url"], "PING") is True
        assert {user_of(pid) for pid in run.pids} == {uid}

        await run.end_by(signal.SIGKILL)
        assert await all_end(run.pids, within=5)


async def test_root_without_namespaces_runs_postgres_as_nobody(open_folder: Path) -> None:
    async with program(open_folder / "data", tmp=open_folder, through=CONTAINER_ROOT) as run:
        assert await sql(run.said["postgres_url"], "CREATE TABLE kept AS SELECT 42 AS answer") is None
        assert user_of(run.said["postgres_pid"]) == NOBODY

        await run.end_by(signal.SIGKILL)
        assert await all_end(run.pids, within=5)

    async with program(open_folder / "data", tmp=open_folder, through=CONTAINER_ROOT) as run:
        assert await sql(run.said["postgres_url"], "SELECT answer FROM kept") == 42


async def test_root_without_namespaces_uses_temporary_directories_too(open_folder: Path) -> None:
    async with program(tmp=open_folder, through=CONTAINER_ROOT) as run:
        assert await sql(run.said["postgres_url"], "SELECT 1") == 1

        await run.end_by(signal.SIGTERM)

        assert list(open_folder.iterdir()) == []


async def test_root_without_namespaces_is_told_that_nobody_cannot_enter(closed_folder: Path) -> None:
    async with program(closed_folder / "data", tmp=closed_folder, through=CONTAINER_ROOT) as run:
        assert run.said["error"] == "EngineFailed"
        assert f"user {NOBODY}, who must be able to enter the data directory" in run.said["message"]


async def test_data_moves_between_a_machine_with_namespaces_and_one_without(open_folder: Path) -> None:
    async with program(open_folder / "data", tmp=open_folder) as run:
        await sql(run.said["postgres_url"], "CREATE TABLE kept AS SELECT 42 AS answer")
        await run.end_by(signal.SIGTERM)

    for conditions in (CONTAINER_ROOT, ()):
        async with program(open_folder / "data", tmp=open_folder, through=conditions) as run:
            assert await sql(run.said["postgres_url"], "SELECT answer FROM kept") == 42
            await run.end_by(signal.SIGTERM)
