import os
import signal
import stat
from pathlib import Path

import pytest
from redis.exceptions import AuthenticationError

from service.embedded import DataDirectoryInUse, EmbeddedPostgres, EmbeddedValkey

from .machine import alive, all_end, command_lines
from .queries import redis, sql

pytestmark = pytest.mark.asyncio


async def test_it_speaks_redis(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        assert await redis(valkey.url, "PING") is True
        assert alive(valkey.pid)

    assert not alive(valkey.pid)


async def test_it_forgets_unless_told_to_be_persistent(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        await redis(valkey.url, "SET", "key", "value")
        await valkey.restart()
        assert await redis(valkey.url, "GET", "key") is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_persistent_one_remembers_however_it_ended(tmp_path: Path, how: signal.Signals) -> None:
    async with EmbeddedValkey(tmp_path, persistent=True) as valkey:
        url, ended = valkey.url, valkey.pid
        await redis(url, "SET", "key", "value")

        os.kill(ended, how)
        await valkey.start()

        assert valkey.url == url
        assert await redis(url, "GET", "key") == "value"
        assert await all_end([ended], within=0)


async def test_it_shares_a_data_directory_with_postgres_but_not_with_its_like(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey, EmbeddedPostgres(tmp_path, fast=True) as postgres:
        with pytest.raises(DataDirectoryInUse):
            async with EmbeddedValkey(tmp_path):
                pass
        assert await redis(valkey.url, "PING") is True
        assert await sql(postgres.superuser_url(), "SELECT 1") == 1


async def test_nobody_enters_without_the_password(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        with pytest.raises(AuthenticationError):
            await redis(f"redis://{valkey.host}:{valkey.port}/0", "PING")


async def test_the_password_is_in_private_files_and_in_no_command_line(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        password = (valkey.home / "password").read_text()

        assert password in valkey.url
        assert password not in command_lines()
        for name in ("password", "valkey.conf"):
            assert stat.S_IMODE((valkey.home / name).stat().st_mode) == 0o600


async def test_it_listens_on_the_loopback_interface_alone(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        assert await redis(valkey.url, "CONFIG", "GET", "bind") == {"bind": "127.0.0.1"}
