"""What the first start makes up, kept in the data folder, so that a later start has the same keys."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service.cli.faults import CannotStart
from service.embedded.files import create_private, publish


@dataclass(frozen=True, slots=True)
class Credentials:
    path: Path
    known: dict[str, str]

    @classmethod
    def of(cls, data: Path) -> Self:
        """Raises: CannotStart where the file is there and cannot be read."""
        path = data / "credentials.json"
        try:
            return cls(path, json.loads(path.read_text()))
        except FileNotFoundError:
            return cls(path, {})
        except ValueError:
            raise CannotStart(f"{path} is damaged: remove {data} to begin anew") from None

    def get(self, name: str, make: Callable[[], str]) -> str:
        if name not in self.known:
            self.keep({name: make()})
        return self.known[name]

    def keep(self, more: dict[str, str]) -> None:
        """All or nothing: a half-written file would lock the data out."""
        self.known.update(more)
        draft = self.path.with_suffix(".new")
        with create_private(draft) as file:
            file.write(json.dumps(self.known).encode())
            file.flush()
            os.fsync(file.fileno())
        publish(draft, self.path)
