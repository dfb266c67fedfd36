"""PostgreSQL's own pid file, and what a killed server leaves behind."""

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path

from service.embedded import processes
from service.embedded.errors import DataDirectoryInUse

_SHARED_MEMORY = Path("/proc/sysvipc/shm")
_IPC_RMID = 0
_LETTING_GO = 5.0


@dataclass(frozen=True)
class Postmaster:
    """What `postmaster.pid` says. A server writes the file line by line as it starts, and removes it when it stops."""

    pid: int
    memory: tuple[str, ...]
    """Key and id of its System V shared memory segment, or nothing so far."""

    ready: bool

    @classmethod
    def read(cls, cluster: Path) -> "Postmaster | None":
        """None when there is no such file, or not even a pid in it yet."""
        try:
            lines = (cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines or not lines[0].isdecimal():
            return None
        lines += [""] * (8 - len(lines))
        return cls(pid=int(lines[0]), memory=tuple(lines[6].split()), ready=lines[7].strip() == "ready")

    def release_memory(self) -> None:
        """Removes its segment, which outlives a killed server until the next start, if there ever is one.

        Its backends notice that it is gone, and let go of the segment, a moment later: for that it waits.
        """
        deadline = time.monotonic() + _LETTING_GO
        while (attached := self._attached()) is not None:
            if attached == 0:
                ctypes.CDLL(None).shmctl(int(self.memory[1]), _IPC_RMID, None)
                return
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)

    def _attached(self) -> int | None:
        """How many processes use its segment; None where there is none."""
        if not _SHARED_MEMORY.exists():
            return None
        for line in _SHARED_MEMORY.read_text().splitlines()[1:]:
            key, identifier, _, _, creator, _, attached, *_ = line.split()
            # Ids are reused: it must be the very segment that this server made.
            if (key, identifier) == self.memory and creator == str(self.pid):
                return int(attached)
        return None


def tidy_after_kill(cluster: Path) -> None:
    """Removes the pid file and the shared memory of a server that could not do so itself.

    Raises: DataDirectoryInUse when a server runs that somebody started by hand, without our lock.
    """
    left = Postmaster.read(cluster)
    if left is not None:
        if processes.runs(left.pid, str(cluster)):
            raise DataDirectoryInUse(cluster, holder=f"process {left.pid}, a server started by hand")
        left.release_memory()
    # A new server would refuse to start if this is half written, or if another process has the pid in it by now.
    (cluster / "postmaster.pid").unlink(missing_ok=True)
