"""Where engines keep their data: for good, or until the end of the run."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.embedded.errors import DataDirectoryInUse, EngineMissing
from service.embedded.lock import DirectoryLock
from service.embedded.processes import Mark

_PREFIX = "numbergate-"


def default_data_dir() -> Path:
    """The folder for this program's data in the user's home, as the platform has it. Need not exist."""
    try:
        import platformdirs  # Comes with the engines, which this package must not need in order to be imported.
    except ImportError:
        raise EngineMissing("platformdirs") from None
    return Path(platformdirs.user_data_dir("numbergate"))


@contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A data directory that is removed at the end, or, after a kill, by the next one that is made."""
    parent = Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    directory, lock = _make(parent)
    try:
        yield directory
    finally:
        # The lock goes with the directory: somebody who makes one now may take this for abandoned and help.
        shutil.rmtree(directory, ignore_errors=True)
        lock.release()


def _make(parent: Path) -> tuple[Path, DirectoryLock]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = DirectoryLock(directory)
        try:
            lock.acquire()
        except (DataDirectoryInUse, FileNotFoundError):
            continue  # Before we could lock it, somebody took it for abandoned.
        return directory, lock


def _remove_abandoned(parent: Path) -> None:
    for directory in parent.glob(f"{_PREFIX}*"):
        lock = DirectoryLock(directory)
        try:
            if directory.lstat().st_uid != os.geteuid() or directory.is_symlink():
                continue
            lock.acquire()
        except (DataDirectoryInUse, OSError):
            continue
        with suppress(FileNotFoundError):  # Whoever it belonged to may be removing it at this very moment.
            for home in filter(Path.is_dir, directory.iterdir()):
                Mark.of(home).end_blocking(by=signal.SIGQUIT)
        shutil.rmtree(directory, ignore_errors=True)
        lock.release()
