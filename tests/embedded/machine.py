"""What the tests ask of the machine itself, so that the engines' own view of it is not believed."""

import asyncio
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process runs. A zombie has ended, and only waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [pid for child in children for pid in descendants(child)]


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def command_lines() -> str:
    """Those of every process on the machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "\n".join(found)


def shared_memory_made_by(pids: list[int]) -> list[str]:
    """System V segments, which outlive their makers."""
    segments = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return [segment for segment in segments if int(segment.split()[4]) in pids]


async def all_end(pids: list[int], *, within: float) -> bool:
    """Waits for the processes to end. Args: within, seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while any(map(alive, pids)):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
