"""Valkey 9, which speaks Redis."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from service.embedded.binaries import valkey_server
from service.embedded.engine import Engine, StopMode
from service.embedded.files import create_private, keep_password


class EmbeddedValkey(Engine):
    """A Valkey server that listens on 127.0.0.1 alone and asks for a password."""

    kind = "valkey"
    # A kill loses nothing that was acknowledged: the append-only file is written before the answer.
    stop_signals: ClassVar[Mapping[StopMode, signal.Signals]] = {"fast": signal.SIGTERM, "immediate": signal.SIGKILL}

    def __init__(self, data_dir: Path, port: int = 0, *, persistent: bool = False) -> None:
        """Args: persistent, whether data outlives the server."""
        super().__init__(data_dir, port)
        self._configuration = self.home / "valkey.conf"
        self._password = ""
        self._persistent = persistent

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{self.host}:{self.port}/0"

    def _program(self) -> str:
        return valkey_server()

    def _settings(self) -> dict[str, str]:
        return {
            "bind": self.host,
            "requirepass": self._password,
            "dir": f'"{self.home}"',
            "save": '""',
            "appendonly": "yes" if self._persistent else "no",
        }

    async def _prepare(self) -> None:
        self._password = keep_password(self.home / "password")
        with create_private(self._configuration) as file:
            file.writelines(f"{name} {value}\n".encode() for name, value in self._settings().items())

    def _command(self, port: int) -> list[str]:
        title = f"{{title}} {{listen-addr}} {self.mark.text}"
        return [self._program(), str(self._configuration), "--port", str(port), "--proc-title-template", title]

    def _ready(self) -> bool:
        return b"Ready to accept connections" in self._log.read_bytes()

    def _tidy(self) -> None:
        """Leaves nothing: it has neither a pid file nor a socket."""
