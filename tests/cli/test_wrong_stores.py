"""Stores that answer and are the wrong ones: `doctor` names each fault with its mend, and no process starts on it."""

import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from threading import Thread

import asyncpg
import pytest
from redis.asyncio import Redis

from service.embedded import EmbeddedValkey, temporary_data_dir
from service.migrations import revisions
from tests.conftest import SECRET, Engines, execute
from tests.simulator.program import KEY, Simulator
from tests.support.debian import program

from .command import COMMAND, environment, numbergate

pytestmark = pytest.mark.processes

Using = Callable[..., AbstractAsyncContextManager[dict[str, str]]]


@pytest.fixture
def using(engines: Engines, template: str, teli_process: Simulator) -> Using:
    @asynccontextmanager
    async def opened(*statements: str, migrated: bool = False) -> AsyncIterator[dict[str, str]]:
        """Settings with a database of its own, for which these statements were run."""
        await execute(engines, f"CREATE DATABASE wrong{f' TEMPLATE {template}' if migrated else ''}")
        url = engines.postgres.superuser_url("wrong")
        try:
            connection = await asyncpg.connect(url)
            for statement in statements:
                await connection.execute(statement)
            await connection.close()
            yield {
                "DATABASE_URL": url,
                "REDIS_URL": engines.valkey.url,
                "TELI_BASE_URL": teli_process.url,
                "TELI_API_KEY": KEY,
                "NUMBERGATE_SECRET": SECRET,
            }
        finally:
            await execute(engines, "DROP DATABASE wrong WITH (FORCE)")

    return opened


def fault(check: str, **settings: str) -> str:
    """The only fault that `doctor` finds, which is of this check."""
    ended = numbergate("doctor", **settings)
    assert ended.returncode == 1, ended.stdout
    [line] = [line for line in ended.stdout.splitlines() if line.startswith("fault")]
    assert line.split()[1] == check, line
    return line.split(maxsplit=2)[2]


def refusals(*commands: str, **settings: str) -> set[str]:
    """What each command says as it refuses to start, in one line."""
    said = set()
    for command in commands:
        ended = numbergate(command, *(["--port", "0"] if command == "serve" else []), **settings)
        assert ended.returncode == 1, ended.stderr
        [line] = ended.stderr.splitlines()
        said.add(line.removeprefix("numbergate: "))
    return said


async def test_an_empty_database_is_told_to_be_migrated(using: Using):
    async with using() as settings:
        assert fault("migrations", **settings) == (
            "the database is empty: run `numbergate migrate`, if it is the right one"
        )
        [said] = refusals("serve", "worker", **settings)
        assert "the database is empty" in said


@pytest.mark.parametrize(
    "theirs",
    [
        ["CREATE TABLE invoices (id bigint)"],
        # It has migrations by the same program.
        ["CREATE TABLE blog (id bigint)", "CREATE TABLE alembic_version AS SELECT '1975ea83b712' AS version_num"],
    ],
)
async def test_another_applications_database_is_refused_and_left_alone(using: Using, theirs: list[str]):
    async with using(*theirs) as settings:
        assert fault("migrations", **settings) == (
            "the database holds tables of another application: name one of Numbergate's own"
        )
        [said] = refusals("serve", "worker", "migrate", **settings)
        assert "another application" in said
        connection = await asyncpg.connect(settings["DATABASE_URL"])
        made = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        extensions = await connection.fetchval("SELECT count(*) FROM pg_extension")
        await connection.close()
        assert (made, extensions) == (len(theirs), 1)


async def test_what_an_extension_brought_is_nobodys(using: Using):
    statements = ["CREATE TABLE spatial (id int)", "CREATE EXTENSION btree_gin"]
    async with using(*statements, "ALTER EXTENSION btree_gin ADD TABLE spatial") as settings:
        assert numbergate("migrate", **settings).returncode == 0
        assert numbergate("doctor", **settings).returncode == 0


async def test_one_that_was_migrated_further_asks_for_newer_code(using: Using):
    async with using("UPDATE alembic_version SET version_num = '9999'", migrated=True) as settings:
        told = f"the database is at revision 9999, this code expects {revisions()[-1]}: deploy newer code"
        assert fault("migrations", **settings) == told
        assert refusals("serve", "worker", "migrate", **settings) == {told}


async def test_one_that_is_behind_asks_for_the_migrations(using: Using):
    before = revisions()[-2]
    async with using(f"UPDATE alembic_version SET version_num = '{before}'", migrated=True) as settings:
        told = f"the database is at revision {before}, this code expects {revisions()[-1]}: run `numbergate migrate`"
        assert fault("migrations", **settings) == told
        assert refusals("serve", "worker", **settings) == {told}


async def test_a_database_that_is_not_there_is_named(using: Using):
    async with using(migrated=True) as settings:
        url = settings["DATABASE_URL"].replace("/wrong", "/wrnog")
        said = fault("database", **settings | {"DATABASE_URL": url})
        assert 'database "wrnog" does not exist' in said
        assert said.endswith("check DATABASE_URL, and that the server runs")


async def test_redis_that_is_none_or_has_another_password_is_named(using: Using):
    with socket.create_server(("127.0.0.1", 0)) as strange:
        Thread(target=_greet, args=[strange], daemon=True).start()
        no_redis = f"redis://127.0.0.1:{strange.getsockname()[1]}/0"
        async with using(migrated=True) as settings:
            said = fault("redis", **settings | {"REDIS_URL": no_redis})
            assert said.startswith("does not answer")
            wrong = settings["REDIS_URL"].replace("redis://:", "redis://:not-")
            said = fault("redis", **settings | {"REDIS_URL": wrong})
            assert "WRONGPASS" in said or "invalid username-password" in said, said
            assert "check REDIS_URL" in said


async def test_a_replica_is_told_to_be_one(using: Using):
    with temporary_data_dir() as data:
        async with (
            using(migrated=True) as settings,
            EmbeddedValkey(data) as follower,
            Redis.from_url(follower.url) as redis,
        ):
            await redis.execute_command("REPLICAOF", "127.0.0.1", "1")
            said = fault("redis", **settings | {"REDIS_URL": follower.url})
    assert said == "is a replica, which keeps nothing: name the primary in REDIS_URL"


def _greet(strange: socket.socket) -> None:
    while True:
        try:
            with strange.accept()[0] as caller:
                caller.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        except OSError:
            return


@pytest.mark.ci
@pytest.mark.parametrize(("by", "told"), [("+90s", "-90."), ("-90s", "+90."), ("-1h", "+3600.")])
async def test_a_clock_that_is_off_is_told_by_how_much(using: Using, by: str, told: str):
    async with using(migrated=True) as settings:
        clock = environment(settings | {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"})
        command = [program("faketime", "faketime"), "-f", by, *COMMAND, "doctor"]
        ended = subprocess.run(command, env=clock, capture_output=True, text=True, timeout=60)

        assert ended.returncode == 1, ended.stdout + ended.stderr
        [line] = [line for line in ended.stdout.splitlines() if line.startswith("fault")]
        assert f"clock         the database's clock is {told}" in line
        assert line.endswith("seconds from ours: synchronise both by NTP")
