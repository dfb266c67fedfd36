"""A Postgres that archives its WAL, and is put back to a moment by plain Postgres tools, as docs/restore.md has it."""

import shutil
import signal
from pathlib import Path

import asyncpg

from service.embedded import EmbeddedPostgres
from service.embedded.binaries import postgres_program
from service.embedded.spawn import run


class ArchivedPostgres(EmbeddedPostgres):
    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def base(self) -> Path:
        return self.home / "base"

    async def _prepare(self) -> None:
        await super()._prepare()
        self.archive.mkdir(exist_ok=True)
        self._identity.own(self.archive)

    def _command(self, port: int) -> list[str]:
        archiving = f"--archive_command=cp %p {self.archive}/%f"
        return [*super()._command(port), "--archive_mode=on", archiving]

    async def back_up(self) -> None:
        """A base backup; what is written from here on is in the archive."""
        self.base.mkdir(mode=0o700)
        self._identity.own(self.base)
        source = f"--dbname={self.superuser_url()}"
        flags = ["--checkpoint=fast", "--wal-method=fetch", "--no-sync"]
        command = [postgres_program("pg_basebackup"), f"--pgdata={self.base}", source, *flags]
        with self._new_log() as log:
            assert await run(command, identity=self._identity, dies_by=signal.SIGTERM, log=log) == 0, self._log_tail()

    async def name_moment(self, name: str) -> None:
        """To which it can be restored."""
        connection = await asyncpg.connect(self.superuser_url())
        try:
            await connection.execute(f"SELECT pg_create_restore_point('{name}')")
            await connection.execute("SELECT pg_switch_wal()")
        finally:
            await connection.close()

    async def lose_everything_after(self, name: str) -> None:
        """Killed, its files gone, and restored from the backup and the archive to a moment that was named."""
        await self.stop("immediate")
        shutil.rmtree(self._cluster)
        shutil.copytree(self.base, self._cluster)
        settings = self._cluster / "postgresql.auto.conf"
        with settings.open("a") as file:
            file.write(
                f"restore_command = 'cp {self.archive}/%f %p'\nrecovery_target_name = '{name}'\n"
                "recovery_target_action = 'promote'\n"
            )
        (self._cluster / "recovery.signal").touch()
        self._identity.own(self._cluster)
        await self.start()
        connection = await asyncpg.connect(self.superuser_url())
        try:
            while await connection.fetchval("SELECT pg_is_in_recovery()"):
                continue
        finally:
            await connection.close()
