"""Time, and chance: the one place where a clock is read or dice are thrown. UTC throughout, told as RFC 3339 with `Z`.

Whatever waits does so by its event loop, so that a simulation can give both, loop and source, one virtual time.
"""

import os
import time
from datetime import UTC, datetime


class Source:
    """Where time and chance come from."""

    def monotonic(self) -> float:
        """Seconds that only grow; their zero means nothing."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970, as this machine believes."""
        return time.time()

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)


source = Source()


def monotonic() -> float:
    return source.monotonic()


def wall() -> float:
    return source.wall()


def utc_now() -> datetime:
    return datetime.fromtimestamp(source.wall(), UTC)


def random_bytes(count: int) -> bytes:
    return source.random_bytes(count)


def rfc3339(moment: datetime) -> str:
    """Microseconds are kept, the zone is written `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
