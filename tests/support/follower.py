"""A hot standby of an embedded Postgres, by streaming replication."""

import signal
from pathlib import Path

import asyncpg

from service.embedded import EmbeddedPostgres
from service.embedded.binaries import postgres_program
from service.embedded.errors import EngineFailed
from service.embedded.spawn import run


class Follower(EmbeddedPostgres):
    """Begins as a copy of the primary's cluster; users and passwords are the primary's."""

    def __init__(self, data_dir: Path, primary: EmbeddedPostgres) -> None:
        super().__init__(data_dir, fast=True)
        self._primary = primary

    async def _initdb(self, directory: Path) -> None:
        source = f"--dbname={self._primary.superuser_url()}"
        flags = ["--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"]
        command = [postgres_program("pg_basebackup"), f"--pgdata={directory}", source, *flags]
        with self._new_log() as log:
            status = await run(command, identity=self._identity, dies_by=signal.SIGTERM, log=log)
        if status != 0:
            raise EngineFailed(f"pg_basebackup ended with {status}", log=self._log_tail())

    def superuser_url(self, database: str = "postgres") -> str:
        password = self._primary.superuser_url().split("@")[0].rpartition(":")[2]
        return f"postgresql://postgres:{password}@{self.host}:{self.port}/{database}"

    async def ask(self, statement: str, *values: object) -> object:
        connection = await asyncpg.connect(self.superuser_url())
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()
