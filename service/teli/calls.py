"""Calls as Teli lists them, read with suspicion: late, at most a hundred, with numbers or without, ids in two forms."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from service.teli.heard import Heard
from service.teli.listing import read_count

MOST_ROWS = 100
CALLS_STATUSES = ("ended", "error", "ongoing")
# What a number of milliseconds since 1970 can be that tells of a call: to the year 9999.
LATEST = 253_402_300_799_000


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call. `started_at` by `start_timestamp`: of all times of a row only that one is said to order them.

    `user_id` and `organization_id` in whichever form Teli gave (unique_id or UUID); the numbers None where not named.
    """

    call_id: str
    started_at: datetime
    direction: Literal["inbound", "outbound"] | None
    organization_id: str | None
    user_id: str | None
    from_number: str | None
    to_number: str | None

    @property
    def ours(self) -> str | None:
        """Of the two numbers the one that is the account's: who is called, or who calls out."""
        match self.direction:
            case "inbound":
                return self.to_number
            case "outbound":
                return self.from_number
            case _:
                return None

    @property
    def bare(self) -> bool:
        """Whether it leaves open which of the account's numbers had part in it."""
        return self.ours is None and None in (self.from_number, self.to_number)


@dataclass(frozen=True, slots=True)
class CallPage:
    """`rows` as they could be read, newest first; `unreadable`: how many could not. `whole`: it holds every row asked
    for, for there were fewer than the most that an answer holds.
    """

    rows: tuple[CallRow, ...]
    unreadable: int
    whole: bool


def read_calls(heard: Heard) -> CallPage | None:
    """The rows, or None where the answer is no listing, or one that its own `count` contradicts."""
    listed = listed_calls(heard)
    if listed is None:
        return None
    rows = [row for row in map(read_call, listed) if row is not None]
    rows.sort(key=lambda row: row.started_at, reverse=True)
    return CallPage(tuple(rows), unreadable=len(listed) - len(rows), whole=len(listed) < MOST_ROWS)


def listed_calls(heard: Heard) -> list[Any] | None:
    """The rows as Teli gave them, or None where the answer is no listing."""
    if heard.kind != "answer" or heard.status is None or not 200 <= heard.status < 300:
        return None
    body = heard.object()
    listed = body.get("calls")
    if body.get("success") is False or not isinstance(listed, list):
        return None
    return listed if str(body.get("count", len(listed))) == str(len(listed)) else None


def single_call(heard: Heard) -> dict[str, Any] | None:
    """The call of an answer about one call, or None where it holds none."""
    if heard.kind != "answer" or heard.status is None or not 200 <= heard.status < 300:
        return None
    found = heard.object().get("call")
    return found if isinstance(found, dict) else None


def read_call(listed: Any) -> CallRow | None:
    """A row, or None where it does not say which call it is, or when it began."""
    if not isinstance(listed, dict):
        return None
    call_id, started = _text(listed.get("call_id")), listed.get("start_timestamp")
    milliseconds = int(started) if isinstance(started, int | float) else read_count(started)
    if call_id is None or milliseconds is None or not 0 <= milliseconds <= LATEST:
        return None
    direction = listed.get("direction")
    return CallRow(
        call_id=call_id,
        started_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
        direction=direction if direction in ("inbound", "outbound") else None,
        organization_id=_text(listed.get("organization_id")),
        user_id=_text(listed.get("user_id")),
        from_number=_text(listed.get("from_number")),
        to_number=_text(listed.get("to_number")),
    )


def _text(value: Any) -> str | None:
    return value.replace("\x00", "").encode(errors="replace").decode()[:500] or None if isinstance(value, str) else None
