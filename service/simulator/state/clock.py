"""Virtual time, and the several ways in which Teli writes a moment."""

import time
from datetime import UTC, datetime, timedelta

from service.simulator.state.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY CHECK (id = 1), offset REAL NOT NULL)"


class Clock:
    """The machine's clock and an offset that only grows; moments are seconds since 1970, UTC."""

    def __init__(self, db: Database) -> None:
        self._db = db
        db.create(SCHEMA)
        self.load()

    def load(self) -> None:
        """Take the stored offset, none being 0."""
        stored = self._db.row("SELECT offset FROM clock")
        self._offset: float = stored["offset"] if stored else 0.0

    def now(self) -> float:
        """The virtual moment."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Let time jump ahead. It never goes back, or rows would be older than what caused them."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._offset += seconds
        self._db.run("INSERT OR REPLACE INTO clock VALUES (1, ?)", self._offset)


def zulu(moment: float) -> str:
    """ISO 8601 with milliseconds and Z."""
    return _utc(moment).isoformat(timespec="milliseconds") + "Z"


def naive(moment: float) -> str:
    """ISO 8601 with microseconds and no zone, as most of Teli's rows have it."""
    return _utc(moment).isoformat(timespec="microseconds")


def offset(moment: float) -> str:
    """ISO 8601 with microseconds and +00:00."""
    return naive(moment) + "+00:00"


def epoch(moment: float) -> int:
    """Milliseconds since 1970."""
    return int(moment * 1000)


def shown(moment: float | None, documented: str, switched: str) -> str | int | None:
    """A moment in the form its page documents, or in the one that the switch `time_format` demands of all."""
    if moment is None:
        return None
    match documented if switched == "as_documented" else switched:
        case "zulu":
            return zulu(moment)
        case "offset":
            return offset(moment)
        case "epoch":
            return epoch(moment)
        case "empty":
            return ""
        case _:
            return naive(moment)


def parsed(text: str) -> float:
    """The moment an ISO 8601 text names, in UTC when it has no zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _utc(moment: float) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)).replace(tzinfo=None)
