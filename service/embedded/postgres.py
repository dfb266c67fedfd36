"""PostgreSQL 18."""

import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from service.embedded.binaries import postgres_program
from service.embedded.engine import Engine, StopMode
from service.embedded.errors import EngineFailed
from service.embedded.files import keep_password, publish
from service.embedded.postmaster import Postmaster, tidy_after_kill
from service.embedded.spawn import find_identity, run

_SUPERUSER = "postgres"

# A killed server may lose its last commits, a crash of the machine ruins the cluster.
_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class EmbeddedPostgres(Engine):
    """A PostgreSQL server that listens on 127.0.0.1 alone and asks everybody for a password (scram-sha-256)."""

    kind = "postgres"
    stop_signals: ClassVar[Mapping[StopMode, signal.Signals]] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

    def __init__(self, data_dir: Path, port: int = 0, *, fast: bool = False, max_connections: int = 200) -> None:
        """Args: fast, for tests: commits do not wait for the disk, so a crash may lose data."""
        super().__init__(data_dir, port)
        self._cluster = self.home / "cluster"
        self._password_file = self.home / "password"
        self._password = ""
        self._fast = fast
        self._max_connections = max_connections

    def url(self, database: str, user: str, password: str) -> str:
        who = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{who}@{self.host}:{self.port}/{quote(database, safe='')}"

    def superuser_url(self, database: str = "postgres") -> str:
        return self.url(database, _SUPERUSER, self._password)

    async def _prepare(self) -> None:
        self._identity = await find_identity()
        self._password = keep_password(self._password_file)
        self._identity.enter(self.home.parent)
        self._identity.enter(self.home)
        if not self._cluster.exists():
            await self._make_cluster()
        self._identity.own(self._cluster)

    async def _make_cluster(self) -> None:
        draft = self.home / "cluster.new"
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        self._identity.own(draft)
        self._identity.own(self._password_file)
        await self._initdb(draft)
        publish(draft, self._cluster)

    async def _initdb(self, directory: Path) -> None:
        options: dict[str, str | Path] = {
            "pgdata": directory,
            "username": _SUPERUSER,
            "pwfile": self._password_file,
            "auth": "scram-sha-256",
            "encoding": "UTF8",
            # The same order and case rules on every machine, whatever locales it has.
            "locale": "C",
            "locale-provider": "builtin",
            "builtin-locale": "C.UTF-8",
            "set": f"cluster_name={self.mark.text}",  # So that initdb carries the mark too.
        }
        flags = ["--no-instructions", *(["--no-sync"] if self._fast else [])]
        command = [postgres_program("initdb"), *flags, *(f"--{name}={value}" for name, value in options.items())]
        with self._new_log() as log:
            # Asked, not killed, for only then does it wait for its own children.
            status = await run(command, identity=self._identity, dies_by=signal.SIGTERM, log=log)
        if status != 0:
            raise EngineFailed(f"initdb, run as {self._identity}, ended with {status}", log=self._log_tail())

    def _command(self, port: int) -> list[str]:
        settings = {
            "cluster_name": self.mark.text,
            "listen_addresses": self.host,
            "port": port,
            "unix_socket_directories": "",
            "max_connections": self._max_connections,
            # Among the cluster's files, so that a killed server leaves nothing in the machine's memory.
            "dynamic_shared_memory_type": "mmap",
            **(_FAST if self._fast else {}),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [postgres_program("postgres"), "-D", str(self._cluster), *options]

    def _ready(self) -> bool:
        postmaster = Postmaster.read(self._cluster)
        return postmaster is not None and postmaster.pid == self.pid and postmaster.ready

    def _tidy(self) -> None:
        tidy_after_kill(self._cluster)
