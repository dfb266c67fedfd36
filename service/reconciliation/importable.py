"""Whether a number that the account held before may be adopted, by what is listed and known of it. Pure: it is asked at
the preview, and again of each right before it is adopted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from service.kit.clock import rfc3339
from service.kit.phone import is_nanp
from service.teli.listing import read_moment

Reason = Literal[
    "bad_row",
    "twice",
    "not_a_number",
    "already_yours",
    "held_by_another",
    "ghost",
    "not_listed",
    "listed_twice",
    "was_released",
    "orphan_decided",
    "in_question",
    "other_organization",
    "tenant_not_granted",
    "tenant_closed",
    "other_user",
    "no_user",
    "unknown_user",
    "changed_since",
    "failed_unforeseen",
]
WORDS: Mapping[Reason, str] = {
    "bad_row": "It cannot be read as it stands.",
    "twice": "The number stands in another line too; which is meant?",
    "not_a_number": "It is no number of the United States or Canada, so that nothing could be done with it here.",
    "already_yours": "The tenant holds it already.",
    "held_by_another": "Another tenant holds it.",
    "ghost": "The ledger holds it and Teli lists it no more: decide the ghost first.",
    "not_listed": "No complete listing of an organisation that you see shows it, so that nothing proves it is held.",
    "listed_twice": "Teli lists it more than once, under several rows or accounts; say which account, or ask Teli.",
    "was_released": "It was released here, and is only slow to vanish.",
    "orphan_decided": "It is an orphan that was decided otherwise.",
    "in_question": "A purchase may have brought it: decide its doubt or its orphan first.",
    "other_organization": "Teli lists it for another organisation than was said.",
    "tenant_not_granted": "There is no such tenant, or it has no grant for the organisation.",
    "tenant_closed": "The tenant was closed: nobody could use it.",
    "other_user": "Teli lists it for another user than was said.",
    "no_user": "Neither Teli nor you say whose it is; name a user.",
    "unknown_user": "Neither we nor Teli know such a user of its organisation.",
    "changed_since": "It was listed otherwise when it was shown",
    "failed_unforeseen": "It failed, and nothing was done; an operator can see why.",
}
SHOWN = ("row_id", "organization_id", "user_id", "nickname", "listed_as")


@dataclass(frozen=True, slots=True)
class Listed:
    """A row at Teli that is listed now. `listed_as`: what it is here, None for what nothing explains yet.

    `complete`: a complete listing showed it. `orphan_tenant_id`: whose purchase may have brought an orphan. `claimed`:
    a purchase in doubt may have. `created_at`: as Teli told it, where it did. `ours`: it is an acquisition's.
    """

    account_id: UUID
    row_id: str
    phone_number: str
    organization_id: str
    user_id: str | None
    nickname: str | None
    first_seen_at: datetime
    complete: bool
    listed_as: Literal["existing", "orphan"] | None
    orphan_id: UUID | None
    orphan_state: str | None
    orphan_tenant_id: str | None
    claimed: bool
    created_at: str | None
    ours: bool

    def shown(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SHOWN}


@dataclass(frozen=True, slots=True)
class Held:
    """An acquisition that holds a number. `gone`: its row is listed no more."""

    phone_number: str
    tenant_id: str
    state: str
    gone: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What a person says of a number; the rest is as Teli lists it. `user_id`: must be the one that Teli names;
    `otherwise`: whose it is where Teli names none.
    """

    phone_number: str
    tenant_id: str
    organization_id: str | None = None
    user_id: str | None = None
    otherwise: str | None = None
    nickname: str | None = None
    cost_center: str | None = None
    tags: tuple[str, ...] = ()
    acquired_at: datetime | None = None
    price: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known here. `tenants`: their states; `grants`: tenants and organisations; `users`: with their
    organisations.
    """

    tenants: Mapping[str, str]
    grants: frozenset[tuple[str, str]]
    users: frozenset[tuple[str, str]]


def objection(said: Said, rows: Sequence[Listed], held: Held | None, known: Known) -> Reason | None:
    """Why it is left alone; None where it may be adopted, from the one row there is."""
    if not is_nanp(said.phone_number):
        return "not_a_number"
    if held is not None:
        if held.gone or held.state == "missing":
            return "ghost"
        return "already_yours" if held.tenant_id == said.tenant_id else "held_by_another"
    if not any(row.complete for row in rows):
        return "not_listed"
    if len(rows) > 1:
        return "listed_twice"
    row = rows[0]
    return _of_row(row, said) or _of_owner(row, said, known)


def _of_row(row: Listed, said: Said) -> Reason | None:
    if row.ours:
        return "was_released"
    if row.listed_as is None:
        return "orphan_decided" if row.orphan_state is not None else "in_question"
    if row.claimed or row.orphan_tenant_id not in (None, said.tenant_id):
        return "in_question"
    return None


def _of_owner(row: Listed, said: Said, known: Known) -> Reason | None:
    if said.organization_id not in (None, row.organization_id):
        return "other_organization"
    if (said.tenant_id, row.organization_id) not in known.grants:
        return "tenant_not_granted"
    if known.tenants.get(said.tenant_id) == "closed":
        return "tenant_closed"
    if said.user_id is not None and row.user_id not in (None, said.user_id):
        return "other_user"
    user = user_of(row, said)
    if user is None:
        return "no_user"
    return None if (row.organization_id, user) in known.users else "unknown_user"


def user_of(row: Listed, said: Said) -> str | None:
    """Whose it is: as Teli says, else as was said."""
    return row.user_id or said.user_id or said.otherwise


def becomes(row: Listed, said: Said, *, now: datetime) -> dict[str, Any]:
    """The number as it will stand; `nickname` where it is to be another than Teli's."""
    moment, by = _since(row, said, now)
    return {
        "tenant_id": said.tenant_id,
        "organization_id": row.organization_id,
        "user_id": user_of(row, said),
        "nickname": said.nickname,
        "cost_center": said.cost_center,
        "tags": list(said.tags),
        "acquired_at": rfc3339(moment),
        "acquired_by": by,
        "price": said.price and dict(said.price),
    }


def _since(row: Listed, said: Said, now: datetime) -> tuple[datetime, Literal["person", "teli", "listing"]]:
    """From when on it counts, and who says so: a person, Teli, or that it was listed then. Never in the future."""
    if said.acquired_at is not None:
        return min(said.acquired_at, now), "person"
    created = read_moment(row.created_at)
    if created is not None and created <= now:
        return created, "teli"
    return min(row.first_seen_at, now), "listing"


def differences(shown: Mapping[str, Any], row: Listed) -> list[str]:
    """What of a row is not as it was shown."""
    now = row.shown()
    return [name for name in SHOWN if now[name] != shown.get(name)]
