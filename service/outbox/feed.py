"""The feed: a tenant's events in the order of commit, read on from a cursor for as long as they are kept."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database, count_up
from service.kit.clock import monotonic, rfc3339
from service.kit.errors import Fault, InvalidRequest, ServiceError
from service.kit.pagination import Cursors, total
from service.kit.waiting import wait_as
from service.outbox.catalogue import ANY_OF_A_GROUP, EVENTS, GROUPS, unknown_types
from service.outbox.models import EventHead, OutboxEvent

COLUMNS = (
    OutboxEvent.seq, OutboxEvent.event_id, OutboxEvent.kind, OutboxEvent.at, OutboxEvent.tenant_id,
    OutboxEvent.number_id, OutboxEvent.intent_id, OutboxEvent.payload,
)  # fmt: skip
# How long between two looks, while somebody waits for news.
PAUSE, LONGEST_PAUSE = 0.1, 1.0
# Seconds until a moment, or until a process that is stopping lets nobody wait any longer.
Left = Callable[[float], float]


async def nobody() -> None:
    """Whoever waits in no other's name."""


class EventsForgotten(ServiceError):
    """The cursor stands before events that are kept no longer, or is of a history that there is no more."""

    status, code, title = 410, "events_forgotten", "Events forgotten"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why} List what there is now, by GET /v1/numbers for one, and begin the feed anew, without a cursor."
        )

    @classmethod
    def too_old(cls, kept: timedelta) -> "EventsForgotten":
        days = f"{kept.total_seconds() / 86_400:g}"
        return cls(f"Events after this cursor are gone: they are kept for {days} days.")

    @classmethod
    def of_another_history(cls) -> "EventsForgotten":
        return cls("This cursor is of events that there are no more: the database was restored to an earlier moment.")


@dataclass(frozen=True, slots=True)
class Head:
    """Of a tenant's events all up to `seq` are numbered, and all up to `pruned` forgotten."""

    seq: int
    pruned: int


@dataclass(frozen=True, slots=True)
class Place:
    """Behind an event. `event_id`: its id, by which it is known that this is still the same one; None of none."""

    seq: int
    event_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[dict[str, Any]]
    next_cursor: str
    total: dict[str, Any]


def envelope(event: Row[Any] | OutboxEvent) -> dict[str, Any]:
    """An event as everybody is told of it; see `service.outbox.catalogue.Event`."""
    named = {"number_id": event.number_id, "operation_id": event.intent_id}
    return {
        "id": str(event.event_id),
        "type": event.kind,
        "timestamp": rfc3339(event.at),
        "tenant_id": event.tenant_id,
        "sequence": event.seq,
        "data": {name: str(value) for name, value in named.items() if value is not None} | event.payload,
    }


def read_types(text: str | None) -> list[str] | None:
    """Of a list with commas; None where there is none, which is all. Raises: InvalidRequest."""
    if text is None:
        return None
    types = [one.strip() for one in text.split(",")]
    if unknown := unknown_types(types):
        raise InvalidRequest(*(Fault("type", unknown_type(one)) for one in unknown))
    return types


def unknown_type(one: str) -> str:
    return f"{one[:64]!r} is no event; there are {', '.join((*GROUPS, *EVENTS))}"


def of_types(types: Sequence[str]) -> ColumnElement[bool]:
    """Whether an event is one of these, or of one of these groups."""
    groups = [one.removesuffix(ANY_OF_A_GROUP) for one in types if one.endswith(ANY_OF_A_GROUP)]
    return or_(OutboxEvent.kind.in_(types), func.split_part(OutboxEvent.kind, ".", 1).in_(groups))


class Feed:
    """`kept`: how long events are, for whoever comes too late. `left`: see Left."""

    def __init__(self, database: Database, cursors: Cursors, left: Left, *, kept: timedelta) -> None:
        self._database = database
        self._cursors = cursors
        self._left = left
        self._kept = kept

    async def page(
        self,
        tenant: str,
        types: Sequence[str] | None,
        *,
        limit: int,
        cursor: str | None,
        wait: float = 0,
        again: Callable[[], Awaitable[object]] = nobody,
    ) -> Page:
        """What comes after `cursor`, without one what there is; where that is nothing, waited for `wait` seconds.

        `again`: as `wait_as` asks it. The next cursor is always one, and stands behind everything that was looked at.
        Raises: InvalidRequest for a cursor that is not of this feed; EventsForgotten.
        """
        query = {"feed": tenant}
        after = None if cursor is None else _place(self._cursors.open(query, cursor))
        until, pause = monotonic() + wait, PAUSE
        while True:
            async with self._database.acting(tenant=tenant) as session:
                seen, events, counted = await self._read(session, tenant, after, types, limit)
            left = self._left(until)
            if events or left <= 0:
                break
            await wait_as(None, again, min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)
        cursor = self._cursors.seal(query, [seen.seq, seen.event_id])
        return Page([envelope(one) for one in events], cursor, total(counted))

    async def _read(
        self, session: AsyncSession, tenant: str, after: Place | None, types: Sequence[str] | None, limit: int
    ) -> tuple[Place, Sequence[Row[Any]], int]:
        """Events, how many there are, and behind which all were looked at. Raises: EventsForgotten."""
        head = await head_of(session, tenant)
        start = after.seq if after is not None else 0
        # The database was restored to before that event; another may have been given its number since.
        if start > head.seq or (after is not None and await _is_another(session, tenant, after)):
            raise EventsForgotten.of_another_history()
        if start == head.seq:
            return after or Place(0, None), [], 0
        matching = [OutboxEvent.tenant_id == tenant, OutboxEvent.seq > start, OutboxEvent.seq <= head.seq]
        if types is not None:
            matching.append(of_types(types))
        found = await session.execute(select(*COLUMNS).where(*matching).order_by(OutboxEvent.seq).limit(limit))
        events = found.all()
        counted = len(events)
        if counted == limit:
            counted = await count_up(session, select(OutboxEvent.seq).where(*matching))
        # Looked at last: what was forgotten until now may be missing above.
        if after is not None and start < (await head_of(session, tenant)).pruned:
            raise EventsForgotten.too_old(self._kept)
        seq = events[-1].seq if len(events) == limit else head.seq
        return Place(seq, await _id_at(session, tenant, seq)), events, counted


def _place(position: Sequence[Any]) -> Place:
    """Of a cursor; of one that was given out before events were told by their ids too, by its number alone."""
    seq, event_id = (*position, None)[:2]
    return Place(seq, event_id)


async def _is_another(session: AsyncSession, tenant: str, place: Place) -> bool:
    """Where that event is forgotten by now, nobody can tell: then it is not."""
    return place.event_id is not None and await _id_at(session, tenant, place.seq) not in (None, place.event_id)


async def _id_at(session: AsyncSession, tenant: str, seq: int) -> str | None:
    at = OutboxEvent.tenant_id == tenant, OutboxEvent.seq == seq
    found = await session.scalar(select(OutboxEvent.event_id).where(*at))
    return None if found is None else str(found)


async def head_of(session: AsyncSession, tenant: str) -> Head:
    found = await session.execute(select(EventHead.seq, EventHead.pruned).where(EventHead.tenant_id == tenant))
    row = found.one_or_none()
    return Head(0, 0) if row is None else Head(row.seq, row.pruned)
