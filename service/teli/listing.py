"""A listing of numbers, read with suspicion: it may be short, empty, or carry ids in either form."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from service.teli.heard import Heard

MOST_DIGITS = 18
MILLISECONDS = 13
# Teli's clock and the ledger's may be so far apart.
CLOCKS_APART = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `user_id` and `organization_id` in whichever form Teli gave (unique_id or UUID).

    `phone_number` is as Teli gave it: an account may hold what we would not buy, and it counts all the same.
    """

    row_id: str
    phone_number: str
    organization_id: str | None
    user_id: str | None
    nickname: str | None
    subscription_id: str | None
    created_at: str | None
    inbound_agent_id: str | None
    outbound_agent_id: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """`complete`: Teli's `count` equals its rows, and every one could be read."""

    rows: tuple[Row, ...]
    complete: bool


def read_listing(heard: Heard) -> Listing | None:
    """The rows, or None where the answer is no listing."""
    if heard.kind != "answer" or heard.status is None or not 200 <= heard.status < 300:
        return None
    body = heard.object()
    listed = body.get("phone_numbers")
    if body.get("success") is False or not isinstance(listed, list):
        return None
    rows = tuple(row for row in map(_row, listed) if row is not None)
    return Listing(rows, complete=read_count(body.get("count")) == len(listed) == len(rows))


def read_count(told: Any) -> int | None:
    """A count as Teli tells it, as a number or as text; None where it is none."""
    text = str(told) if isinstance(told, int | str) else ""
    return int(text) if len(text) <= MOST_DIGITS and text.isdecimal() else None


def read_moment(told: str | None) -> datetime | None:
    """A time in any of Teli's forms (contract section 0.3), in UTC where it names no zone; None where it is none."""
    if not told:
        return None
    try:
        if told.isdecimal() and len(told) == MILLISECONDS:
            return datetime.fromtimestamp(int(told) / 1000, UTC)
        moment = datetime.fromisoformat(told)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def made_before(row: Row, moment: datetime) -> bool | None:
    """Whether a row tells that it was made before a moment of ours; None where it tells no time."""
    made = read_moment(row.created_at)
    return None if made is None else made < moment - CLOCKS_APART


def _row(listed: Any) -> Row | None:
    if not isinstance(listed, dict):
        return None
    row_id, number = _text(listed.get("id")), _text(listed.get("phone_number"))
    if row_id is None or number is None:
        return None
    return Row(
        row_id=row_id,
        phone_number=number,
        organization_id=_text(listed.get("organization_id")),
        user_id=_text(listed.get("user_id")),
        nickname=_text(listed.get("nickname")),
        subscription_id=_text(listed.get("stripe_subscription_id")),
        created_at=_text(listed.get("created_at")),
        inbound_agent_id=_text(listed.get("inbound_agent_id")),
        outbound_agent_id=_text(listed.get("outbound_agent_id")),
    )


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    # Neither NUL nor half a surrogate pair can be printed, and hardly any of thousands of rows has either.
    text = value if value.isprintable() else value.replace("\x00", "").encode(errors="replace").decode()
    return text[:500] or None
