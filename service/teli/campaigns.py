"""What Teli's answers about campaigns mean: pure, cell by cell, as `service.teli.reading` does for purchases.

To create a campaign is to dial. So only what proves that nothing was begun counts as refused, and what is not clear is
looked up by the campaign's id, never repeated.
"""

from dataclasses import dataclass
from typing import Any, Literal

from service.teli.heard import DETAIL_LIMIT, Heard, storable
from service.teli.listing import read_count

RefusalReason = Literal["never_sent", "credentials", "rate_limited", "bad_request", "taken"]
STATES = {"active": "running", "paused": "paused", "completed": "completed", "ended": "ended"}
TOLD = ("contacts_count", "invalid_leads_count", "campaign_begin_time", "campaign_end_time", "message")


@dataclass(frozen=True, slots=True)
class Created:
    """`told`: of Teli's answer what a client reads there, as Teli gave it."""

    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NotCreated:
    """Proof that nobody is called for it. `said`: Teli's own words, where it gave any."""

    reason: RefusalReason
    said: str | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """No proof either way."""

    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A campaign that Teli knows; `state` as ours, None for a status that nobody told us of."""

    status: str
    state: str | None
    progress: dict[str, int]


@dataclass(frozen=True, slots=True)
class Absent:
    """Teli says that there is no such campaign."""


def read_created(heard: Heard, campaign_id: str) -> Created | NotCreated | Unclear:
    """Read the answer to a create of the campaign of this id."""
    if heard.kind == "never_sent":
        return NotCreated("never_sent", _text(heard.detail))
    if heard.kind == "broken" or heard.status is None:
        return Unclear(_text(heard.detail) or "broken")
    body = heard.object()
    said = words(heard)
    match heard.status:
        case status if 200 <= status < 300:
            if body.get("success") in (False, "false", "0"):
                return Unclear(f"status {status} with success false")
            if body.get("campaign_id") != campaign_id:
                return Unclear(f"status {status} that does not name it")
            return Created({name: _scalar(body[name]) for name in TOLD if name in body})
        case 400:
            return NotCreated("bad_request", said)
        case 401 | 403:
            return NotCreated("credentials", said)
        case 409:
            return NotCreated("taken", said)
        case 422 if isinstance(body.get("detail"), list):
            return NotCreated("bad_request", said)
        case 429:
            return NotCreated("rate_limited", said)
        case status:
            return Unclear(f"status {status}")


def read_standing(heard: Heard) -> Standing | Absent | Unclear:
    """Read the answer to a look at one campaign."""
    if heard.kind != "answer" or heard.status is None:
        return Unclear(_text(heard.detail) or "broken")
    body = heard.object()
    if heard.status == 404 and body.get("error"):
        return Absent()  # In Teli's own words: a proxy's 404 says nothing.
    status = _text(body.get("status"))
    if not 200 <= heard.status < 300 or body.get("success") is False or status is None:
        return Unclear(f"status {heard.status}")
    progress = body.get("progress")
    counts = {
        name: count
        for name in ("total", "completed", "pending")
        if isinstance(progress, dict) and (count := read_count(progress.get(name))) is not None
    }
    return Standing(status, STATES.get(status), counts)


def read_campaigns(heard: Heard) -> list[dict[str, Any]] | None:
    """The rows of a listing that have an id; None where the answer is no listing."""
    if heard.kind != "answer" or heard.status is None or not 200 <= heard.status < 300:
        return None
    body = heard.object()
    listed = body.get("campaigns")
    if body.get("success") is False or not isinstance(listed, list):
        return None
    return [row for row in listed if isinstance(row, dict) and isinstance(row.get("campaign_id"), str)]


def words(heard: Heard) -> str | None:
    """What Teli says of a refusal."""
    body = heard.object()
    return _text(body.get("message")) or _text(body.get("error")) or _text(body.get("detail"))


def _text(value: object) -> str | None:
    return storable(value, DETAIL_LIMIT) if isinstance(value, str) else None


def _scalar(value: object) -> Any:
    return _text(value) if isinstance(value, str) else value if isinstance(value, int | float) else None
