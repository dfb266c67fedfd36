"""Files that only their owner may read, and names that survive a power cut."""

import os
import secrets
from pathlib import Path
from typing import IO


def create_private(path: Path) -> IO[bytes]:
    """Opens a new file for writing, in place of any earlier one. At no moment can others read it."""
    path.unlink(missing_ok=True)
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def publish(draft: Path, path: Path) -> None:
    """Gives a finished file or directory its name, so that under this name nobody ever finds half of it."""
    draft.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)  # What is later written inside must not outlast the name.
    finally:
        os.close(descriptor)


def keep_password(path: Path) -> str:
    """The password stored in a file, which the first call makes."""
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    password = secrets.token_hex(24)  # Letters and digits: it goes into URLs and into a configuration file.
    draft = path.with_suffix(".new")
    with create_private(draft) as file:
        file.write(password.encode())
        file.flush()
        os.fsync(file.fileno())
    publish(draft, path)
    return password
