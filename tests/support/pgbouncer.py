"""PgBouncer in transaction mode, as a process of the tests' own before a database of theirs."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import asyncpg

from service.embedded.ports import free_port
from tests.support.debian import program

PASSWORD = "of the tests"


@asynccontextmanager
async def pgbouncer(superuser_url: str, login: str, *, connections: int) -> AsyncIterator[str]:
    """The URL of `login` through a PgBouncer with so many connections to the server, whoever they are for."""
    server, port = urlsplit(superuser_url), free_port()
    with TemporaryDirectory() as folder:
        users, settings = Path(folder, "users"), Path(folder, "pgbouncer.ini")
        users.write_text(f'"{login}" "{PASSWORD}"\n')
        name = server.path.removeprefix("/")
        settings.write_text(
            f"[databases]\n{name} = host={server.hostname} port={server.port} dbname={name}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"pool_mode = transaction\nauth_type = scram-sha-256\nauth_file = {users}\n"
            f"default_pool_size = {connections}\nmax_client_conn = 200\n"
        )
        as_somebody = []
        if os.geteuid() == 0:  # It refuses to be root.
            as_somebody = ["-u", "nobody"]
            for path, mode in ((Path(folder), 0o755), (users, 0o644), (settings, 0o644)):
                path.chmod(mode)
        process = subprocess.Popen(
            [program("pgbouncer", "pgbouncer"), "-q", *as_somebody, str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            await _answers(process, port)
            yield f"postgresql://{login}:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/{name}"
        finally:
            process.terminate()
            process.communicate()


async def _answers(process: "subprocess.Popen[bytes]", port: int) -> None:
    async with asyncio.timeout(30):
        while process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
    raise AssertionError(f"pgbouncer ended: {process.stderr.read().decode() if process.stderr else ''}")


@asynccontextmanager
async def pooled_login(superuser_url: str, name: str) -> AsyncIterator[str]:
    """A login of the API as docs/configuration.md has it behind a pooler."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute(
            f"CREATE ROLE {name} LOGIN NOINHERIT PASSWORD '{PASSWORD}' IN ROLE numbergate_api;"
            f"ALTER ROLE {name} SET role = 'numbergate_api'; ALTER ROLE {name} SET statement_timeout = '30s';"
            f"ALTER ROLE {name} SET lock_timeout = '5s'"
        )
        yield name
    finally:
        await connection.execute(f"DROP ROLE {name}")
        await connection.close()
