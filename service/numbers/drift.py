"""A drift as it is shown. Pure."""

from typing import Any

from service.numbers.marks import without_mark
from service.numbers.models import Drift


def theirs_of(drift: Drift) -> str | None:
    """What Teli has, as people see it."""
    return without_mark(drift.theirs) if drift.member == "nickname" else drift.theirs


def explain(member: str, ours: str | None, theirs: str | None) -> str:
    """In words, for whoever reads the list."""
    if member == "nickname":
        return "Teli lists another nickname than it was told" if theirs else "Teli lists no nickname any more"
    if member == "user_id":
        return "Teli lists it for another user"
    if theirs is None:
        return "Teli lists no agent where one is linked"
    return (
        "Teli lists another agent than the one that is linked" if ours else "Teli lists an agent where none is linked"
    )


def shown(drift: Drift) -> dict[str, Any]:
    theirs = theirs_of(drift)
    return {
        "id": drift.id,
        "member": drift.member,
        "ours": drift.ours,
        "theirs": theirs,
        "since": drift.since,
        "seen_at": drift.seen_at,
        "why": "; ".join(filter(None, (explain(drift.member, drift.ours, theirs), drift.undecided))),
    }
