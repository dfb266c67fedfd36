"""What a listing changes: pure, from what it shows and from what is known of its place.

A mark is proof at first sight. A row that nothing explains is an orphan, once nothing that could explain it is still
on its way. A listing that lacks what is surely held is kept, and proves no absence.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from service.kit.phone import is_nanp
from service.numbers.marks import mark_of
from service.teli.listing import Row, made_before

# What is confirmed and in one of these states must be in a listing that is to be trusted.
SURELY_HELD = ("active", "release_scheduled")
GHOSTS_AT_MOST = 10
GHOST_LOOKS = 3
# A row is first seen when its listing was asked for; it may have appeared until that listing was answered.
LISTED_WITHIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation as one account sees it."""

    account_id: UUID
    organization_id: str


@dataclass(frozen=True, slots=True)
class Users:
    """Each form in which a user of an organisation may be named, and its `unique_id`; `at`, by the ledger's clock."""

    forms: Mapping[str, str]
    at: datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """One listing of a place. `rows` carry their user as `unique_id`, or None where no such user is known.

    `began_at`: when it was asked for, by the ledger's clock, as all that it is compared with.
    """

    place: Place
    began_at: datetime
    rows: tuple[Row, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Doubt:
    """A purchase whose outcome is not proved. `ended_at`: the end of its send, or of its lease.

    `named_number`: what its answer named, where the account held that number already. `write_off`: as its tenant's
    policy says, in seconds, infinite for never; None for the deployment's.
    """

    id: UUID
    account_id: UUID
    organization_id: str
    tenant_id: str
    user_id: str
    mark: str
    request_id: str
    state: Literal["doubtful", "unresolved"]
    named_number: str | None
    admitted_at: datetime
    ended_at: datetime
    holds_lane: bool
    write_off: float | None = None

    def is_overdue(self, at: datetime, *, write_off: timedelta) -> bool:
        """Is it old enough to be presumed not to have bought? `write_off`: the deployment's."""
        after = write_off.total_seconds() if self.write_off is None else self.write_off
        return (at - self.ended_at).total_seconds() >= after


@dataclass(frozen=True, slots=True)
class Presence:
    """A row that proves a doubt: by the mark it carries, or by the number that the answer named."""

    intent: Doubt
    row: Row


class LastSeen(NamedTuple):
    """A row as it was last listed, and where; `gone_at`: when a complete listing of there no longer had it."""

    organization_id: str
    user_id: str | None
    nickname: str | None
    first_seen_at: datetime
    gone_at: datetime | None


class Acquisition(NamedTuple):
    """A number of ours that has its row. `looks_since_gone`: complete listings since `gone_at`, counted to three.

    `vouched`: a person said since then that it is still ours.
    """

    number_id: UUID
    organization_id: str
    state: str
    gone_at: datetime | None
    looks_since_gone: int
    vouched: bool


class Named(NamedTuple):
    """The intent that a mark names: the key's that is not refused, else its last refused one."""

    intent_id: UUID
    tenant_id: str
    state: str


class Holder(NamedTuple):
    """An acquisition of ours that holds a number, the row it is known by, and its mark."""

    row_id: str
    mark: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a place before a listing of it is judged.

    `rows`, by row id: those of the place, and those listed now, wherever they were listed before. `ours`, by row id:
    those listed now, wherever they are filed, and all that are held in the place. `existing`, `filed`: of the rows
    listed now, which were there before us and which are orphans already. `named`, by user and mark: for the rows that
    nothing explains. `holders`, by number: those of ours that hold a number which some doubt's answer named.
    `unconfirmed`: numbers of ours in the place whose row was not seen yet, with their users and marks. `sending`: users
    with a send under way there, and when their oldest was admitted.
    """

    rows: Mapping[str, LastSeen]
    ours: Mapping[str, Acquisition]
    existing: Collection[str]
    filed: Collection[str]
    doubts: Sequence[Doubt]
    named: Mapping[tuple[str | None, str], Named]
    holders: Mapping[str, Holder]
    unconfirmed: Collection[tuple[str, str, str]]
    sending: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Stranger:
    """A row to be filed as an orphan; `named`: the intent it may have come from."""

    row: Row
    reason: Literal["unexplained", "second_row_of_a_mark", "refused_intent"]
    named: Named | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that a listing changes. `changed`: rows with another user or nickname, from elsewhere or back again.

    `gone`: row ids.

    `vanished`: rows of ours that were seen when they were confirmed, and are in no listing kept since.
    `healed`: numbers that were decided to be missing and are listed again, so held again.
    """

    trustworthy: bool
    fresh: Sequence[Row]
    changed: Sequence[Row]
    gone: Sequence[str]
    vanished: Sequence[str]
    healed: Sequence[UUID]
    presences: Sequence[Presence]
    orphans: Sequence[Stranger]


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a listing: the doubts that it proves, and whether it holds what is surely held."""

    presences: Sequence[Presence]
    trustworthy: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """What set difference needs to know of a doubt: its account and user, and what appeared for that user.

    `held`: the doubt has held the lane ever since its send. `baseline`: when the last trustworthy listing that ended
    before the send began. `others_open`: purchases of that user besides it that are open, or were refused in a way
    that is watched, since the baseline or less than a window before it, or by a decision, whenever, without their row
    being seen. `appeared`: rows listed now that are no
    acquisition of ours and that nobody decided, with when each was first seen.
    """

    mode: str
    exclusive: bool
    held: bool
    others_open: int
    baseline: datetime | None
    appeared: Sequence[tuple[Row, datetime]]


def judge(seen: Observation, known: Known, *, window: timedelta) -> Judgement:
    """Everything that this listing changes. `window`: the settling window."""
    last = {row.row_id: row for row in seen.rows}
    presences = _presences(seen, known)
    return Judgement(
        trustworthy=_shows_ours(seen, known, window),
        fresh=[row for row in _once(seen.rows) if row.row_id not in known.rows and _belongs(row, seen, known)],
        changed=[
            row
            for row_id, row in last.items()
            if _differs(row, seen.place, known.rows.get(row_id)) and _belongs(row, seen, known)
        ],
        gone=[row_id for row_id, was in known.rows.items() if was.gone_at is None and row_id not in last]
        if seen.complete
        else [],
        vanished=_vanished(seen, known) if seen.complete else [],
        healed=[
            ours.number_id
            for row_id in last
            if (ours := known.ours.get(row_id)) is not None and ours.state == "missing"
        ],
        presences=presences,
        orphans=_orphans(seen, known, presences),
    )


def unexplained(
    seen: Observation, *, ours: Collection[str], existing: Collection[str], filed: Collection[str]
) -> Sequence[Row]:
    """The rows, each once, that are no acquisition of ours, were not there before us, and are no orphans yet."""
    return [
        row
        for row in _once(seen.rows)
        if row.row_id not in ours and row.row_id not in existing and row.row_id not in filed
    ]


def ghosts(seen: Observation, ours: Mapping[str, Acquisition]) -> Mapping[str, Acquisition]:
    """What is surely held in the place and not listed, by row id."""
    listed = {row.row_id for row in seen.rows}
    return {
        row_id: one
        for row_id, one in ours.items()
        if row_id not in listed and one.state in SURELY_HELD and one.organization_id == seen.place.organization_id
    }


def only_new_row(lane: Lane, doubt: Doubt, seen: Observation) -> Row | None:
    """The one new row that only this doubt can have caused, where an operator vouched that nobody else buys.

    Only in lane mode, only for an exclusive user whose lane the doubt has held ever since, only over rows absent from
    the last trustworthy listing before the send, only if no other open purchase could own the row, and only as it is
    listed now, without a time before the purchase.
    """
    if lane.mode != "lane" or not lane.exclusive or not lane.held or lane.others_open or lane.baseline is None:
        return None
    new = [row for row, first_seen_at in lane.appeared if first_seen_at > lane.baseline and not mark_of(row.nickname)]
    if len(new) != 1:
        return None
    listed = [row for row in _told_alike(seen.rows) if row.row_id == new[0].row_id and not mark_of(row.nickname)]
    return listed[0] if listed and not made_before(listed[0], doubt.admitted_at) else None


def _once(rows: Iterable[Row]) -> Iterable[Row]:
    """Each row id once, as it came first."""
    told: dict[str, Row] = {}
    for row in rows:
        told.setdefault(row.row_id, row)
    return told.values()


def _differs(row: Row, place: Place, was: LastSeen | None) -> bool:
    return (
        was is not None and LastSeen(place.organization_id, row.user_id, row.nickname, was.first_seen_at, None) != was
    )


def _belongs(row: Row, seen: Observation, known: Known) -> bool:
    """A number of ours is there or gone by the listings of its own organisation, whichever others show it too."""
    ours = known.ours.get(row.row_id)
    return ours is None or ours.organization_id == seen.place.organization_id


def _vanished(seen: Observation, known: Known) -> Sequence[str]:
    missing = ghosts(seen, known.ours)
    return [row_id for row_id, one in missing.items() if one.gone_at is None and row_id not in known.rows]


def _shows_ours(seen: Observation, known: Known, window: timedelta) -> bool:
    """Does it show every confirmed number we hold there, save a few ghosts? One that does not may be stale.

    Those of which a person knows that they are not listed are no ghosts any more.
    """
    missing = [one for one in ghosts(seen, known.ours).values() if not one.vouched]
    return len(missing) <= GHOSTS_AT_MOST and all(
        one.gone_at is not None and seen.began_at - one.gone_at >= window and one.looks_since_gone >= GHOST_LOOKS
        for one in missing
    )


def _presences(seen: Observation, known: Known) -> list[Presence]:
    """Rows that prove a doubt: by its mark, or by the number its answer named, under a new row id."""
    by_mark = {doubt.mark: doubt for doubt in known.doubts}
    by_number = {doubt.named_number: doubt for doubt in known.doubts if doubt.named_number}
    found: dict[UUID, Presence] = {}
    for row in _told_alike(seen.rows) if known.doubts else ():
        if row.row_id in known.ours or row.row_id in known.existing or not is_nanp(row.phone_number):
            continue
        mark = mark_of(row.nickname)
        doubt = by_mark.get(mark) if mark else None
        if doubt is None and (mark is None or _written_over(row, mark, known)):
            named = by_number.get(row.phone_number)
            doubt = named if named and _new_since(named, row, known) else None
        # A second row under the mark is not this intent's; it stays unexplained and becomes an orphan.
        if doubt and row.user_id == doubt.user_id and doubt.id not in found:
            found[doubt.id] = Presence(doubt, row)
    return list(found.values())


def _told_alike(rows: Sequence[Row]) -> Iterable[Row]:
    """Each row id once, save those listed with two marks, or two numbers: a row proves one purchase at most."""
    told: dict[str, set[tuple[str | None, str]]] = {}
    for row in rows:
        told.setdefault(row.row_id, set()).add((mark_of(row.nickname), row.phone_number))
    return [row for row in _once(rows) if len(told[row.row_id]) == 1]


def _written_over(row: Row, mark: str, known: Known) -> bool:
    """The mark is that of whoever held the number under another row, and was still writing to it by its number."""
    holder = known.holders.get(row.phone_number)
    return holder is not None and holder.mark == mark and holder.row_id != row.row_id


def _new_since(doubt: Doubt, row: Row, known: Known) -> bool:
    """A row that was listed before the purchase was admitted is somebody else's."""
    was = known.rows.get(row.row_id)
    return was is None or was.first_seen_at > doubt.admitted_at


def _orphans(seen: Observation, known: Known, presences: Sequence[Presence]) -> list[Stranger]:
    proofs = {one.row.row_id for one in presences}
    return [
        _stranger(row, known)
        for row in unexplained(seen, ours=known.ours, existing=known.existing, filed=known.filed)
        if row.row_id not in proofs and not _on_its_way(row, known)
    ]


def _on_its_way(row: Row, known: Known) -> bool:
    """A number not confirmed yet, and a send under way, may still turn out to be what a row is about."""
    return any(
        row.phone_number == phone_number and row.user_id in (None, user) and mark_of(row.nickname) in (None, mark)
        for phone_number, user, mark in known.unconfirmed
    ) or _may_be_sent_for(row, known)


def _may_be_sent_for(row: Row, known: Known) -> bool:
    """Not what was listed before any of the sends that are under way, else it would wait while a user keeps buying."""
    sends = known.sending.values() if row.user_id is None else filter(None, [known.sending.get(row.user_id)])
    oldest, was = min(sends, default=None), known.rows.get(row.row_id)
    return oldest is not None and (was is None or was.first_seen_at > oldest - LISTED_WITHIN)


def _stranger(row: Row, known: Known) -> Stranger:
    mark = mark_of(row.nickname)
    named = known.named.get((row.user_id, mark)) if mark else None
    if named is None:
        return Stranger(row, "unexplained", None)
    return Stranger(row, "refused_intent" if named.state == "refused" else "second_row_of_a_mark", named)
