"""What listings showed, in the ledger: each method is one transaction.

A listing is kept as a line in a log, and its rows as they were last seen, with when each was first seen and when it was
gone. So a look costs a comparison of two sets and a write for what changed, however many doubts it serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.phone import E164, is_nanp
from service.kit.types import new_id
from service.numbers.marks import mark_of
from service.numbers.models import Intent, Number
from service.numbers.repository import close_as_released
from service.outbox.events import record
from service.quotas.counting import count_held
from service.reconciliation.absence import Taken
from service.reconciliation.models import ExistingNumber, ListingTaken, Look, Orphan, UpstreamRow
from service.teli.listing import Row
from service.tenants.models import Account, User

# What is still being sent is for its sender to tell, who has heard more than a listing shows.
DOUBTS = ("doubtful", "unresolved")
OPEN = ("sending", *DOUBTS)
GHOSTS_AT_MOST = 10
GHOST_LOOKS = 3
LOOK_LEASE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Place:
    """An organisation as one account sees it."""

    account_id: UUID
    organization_id: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One listing of a place. `rows` carry their user as `unique_id`, or None where no such user is known."""

    place: Place
    began_at: datetime
    rows: tuple[Row, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Presence:
    """A row that carries the mark of a doubt."""

    intent: Intent
    row: Row


class Sightings:
    def __init__(self, database: Database, *, window: timedelta) -> None:
        self._database = database
        self._window = window

    async def claim(self, *, doubts_every: float, all_every: float, limit: int) -> Sequence[Place]:
        """Places due for a look: those with a doubt every `doubts_every` seconds, all others every `all_every`.

        Each is this caller's until it is looked at, or for five minutes. By the database's clock.
        """
        query = text(
            """
            INSERT INTO looks AS l (account_id, organization_id, lease_until)
            SELECT due.account_id, due.organization_id, clock_timestamp() + :lease
            FROM (
              SELECT a.id AS account_id, o.id AS organization_id,
                     EXISTS (SELECT FROM intents i WHERE i.account_id = a.id AND i.organization_id = o.id
                             AND i.state IN ('doubtful', 'unresolved')) AS doubted
              FROM accounts a CROSS JOIN organizations o WHERE a.listed_at IS NOT NULL
            ) due
            LEFT JOIN looks was USING (account_id, organization_id)
            WHERE coalesce(was.lease_until, '-infinity') < clock_timestamp()
              AND coalesce(was.looked_at, '-infinity') < clock_timestamp()
                  - CASE WHEN due.doubted THEN CAST(:doubts_every AS interval) ELSE CAST(:all_every AS interval) END
            ORDER BY due.doubted DESC, was.looked_at NULLS FIRST
            LIMIT :limit
            ON CONFLICT (account_id, organization_id) DO UPDATE SET lease_until = excluded.lease_until
              WHERE coalesce(l.lease_until, '-infinity') < clock_timestamp()
            RETURNING l.account_id, l.organization_id
            """
        )
        values = {
            "lease": LOOK_LEASE,
            "doubts_every": timedelta(seconds=doubts_every),
            "all_every": timedelta(seconds=all_every),
            "limit": limit,
        }
        async with self._database.acting() as session:
            return [Place(row.account_id, row.organization_id) for row in await session.execute(query, values)]

    async def looked(self, place: Place) -> None:
        """The look is over, with or without an answer."""
        async with self._database.acting() as session:
            await session.execute(
                update(Look)
                .where(Look.account_id == place.account_id, Look.organization_id == place.organization_id)
                .values(looked_at=func.clock_timestamp(), lease_until=None)
            )

    async def user_forms(self, organization: str) -> dict[str, str]:
        """Each form in which a user of the organisation may be named, and its `unique_id`."""
        async with self._database.acting() as session:
            users = await session.execute(
                select(User.id, User.upstream_uuid).where(User.organization_id == organization)
            )
        return {form: user.id for user in users for form in (user.id, user.upstream_uuid) if form}

    async def learn_users(self, organization: str, uuids: dict[str, str]) -> None:
        """File the UUIDs of users that are known by their `unique_id`."""
        async with self._database.acting() as session:
            for unique_id, uuid in uuids.items():
                await session.execute(
                    update(User)
                    .where(User.organization_id == organization, User.id == unique_id)
                    .values(upstream_uuid=uuid)
                )

    async def keep(self, seen: Observation) -> Sequence[Presence]:
        """Keep a listing, and tell the doubts whose mark it shows.

        New rows that nothing explains become orphans, once nothing that could explain them is still on its way.
        """
        async with self._database.acting() as session:
            session.add(
                ListingTaken(
                    account_id=seen.place.account_id,
                    organization_id=seen.place.organization_id,
                    began_at=seen.began_at,
                    row_count=len(seen.rows),
                    complete=seen.complete,
                    trustworthy=await self._shows_ours(session, seen),
                )
            )
            await self._keep_rows(session, seen)
            await self._heal(session, seen)
            presences = await self._presences(session, seen)
            await self._file_orphans(session, seen, explained={one.row.row_id for one in presences})
            return presences

    async def _shows_ours(self, session: AsyncSession, seen: Observation) -> bool:
        """Does it show every confirmed number we hold there, save a few ghosts? One that does not may be stale."""
        listed = {row.row_id for row in seen.rows}
        ours = await session.execute(
            select(Number.upstream_row_id, UpstreamRow.gone_at)
            .outerjoin(
                UpstreamRow,
                (UpstreamRow.account_id == Number.account_id) & (UpstreamRow.row_id == Number.upstream_row_id),
            )
            .where(
                Number.account_id == seen.place.account_id,
                Number.organization_id == seen.place.organization_id,
                Number.state.in_(("active", "release_scheduled")),
                Number.upstream_row_id.is_not(None),
                Number.upstream_row_id.not_in(listed),
            )
        )
        missing = ours.all()
        if len(missing) > GHOSTS_AT_MOST:
            return False
        for row in missing:
            if row.gone_at is None or seen.began_at - row.gone_at < self._window:
                return False
            looks = await session.scalar(
                select(func.count()).where(
                    ListingTaken.account_id == seen.place.account_id,
                    ListingTaken.organization_id == seen.place.organization_id,
                    ListingTaken.complete,
                    ListingTaken.began_at >= row.gone_at,
                )
            )
            if (looks or 0) < GHOST_LOOKS:
                return False
        return True

    async def _keep_rows(self, session: AsyncSession, seen: Observation) -> None:
        place = {"account_id": seen.place.account_id, "organization_id": seen.place.organization_id}
        known = {
            row.row_id: row
            for row in await session.scalars(
                select(UpstreamRow).where(
                    UpstreamRow.account_id == place["account_id"],
                    UpstreamRow.organization_id == place["organization_id"],
                )
            )
        }
        fresh = [
            {**place, "row_id": row.row_id, "user_id": row.user_id, "phone_number": row.phone_number,
             "nickname": row.nickname, "first_seen_at": seen.began_at}
            for row in seen.rows if row.row_id not in known
        ]  # fmt: skip
        if fresh:
            await session.execute(insert(UpstreamRow).on_conflict_do_nothing(), fresh)
        listed = set()
        for row in seen.rows:
            listed.add(row.row_id)
            if was := known.get(row.row_id):
                was.nickname, was.user_id, was.gone_at = row.nickname, row.user_id, None
        if seen.complete:
            for row_id, was in known.items():
                if row_id not in listed and was.gone_at is None:
                    was.gone_at = seen.began_at

    async def _heal(self, session: AsyncSession, seen: Observation) -> None:
        """A number that was decided to be missing and is listed again is held again."""
        back = await session.scalars(
            select(Number)
            .where(
                Number.account_id == seen.place.account_id,
                Number.state == "missing",
                Number.upstream_row_id.in_([row.row_id for row in seen.rows]),
            )
            .with_for_update()
        )
        for number in back:
            number.state = "active"
            await count_held(session, number.tenant_id, 1)
            note(
                session,
                actor="worker",
                action="number.seen_again",
                of=("number", str(number.id)),
                tenant=number.tenant_id,
                before={"state": "missing"},
                after={"state": "active"},
            )
            await record(session, number.tenant_id, "number.seen_again", number_id=number.id)

    async def _presences(self, session: AsyncSession, seen: Observation) -> list[Presence]:
        """Rows that prove a doubt: by its mark, or by the number its answer named, under a new row id."""
        doubts = (
            await session.scalars(
                select(Intent).where(
                    Intent.account_id == seen.place.account_id,
                    Intent.organization_id == seen.place.organization_id,
                    Intent.state.in_(DOUBTS),
                )
            )
        ).all()
        if not doubts:
            return []
        by_mark = {intent.mark: intent for intent in doubts}
        by_number = {intent.named_number: intent for intent in doubts if intent.named_number}
        taken = await self._owned_rows(session, seen) | await self._existing_rows(session, seen)
        found: dict[UUID, Presence] = {}
        for row in seen.rows:
            mark = mark_of(row.nickname)
            intent = by_mark.get(mark) if mark else by_number.get(row.phone_number)
            if not is_nanp(row.phone_number):
                continue
            # A second row under the mark is not this intent's; it stays unexplained and becomes an orphan.
            if intent and row.user_id == intent.user_id and row.row_id not in taken and intent.id not in found:
                found[intent.id] = Presence(intent, row)
        return list(found.values())

    async def _owned_rows(self, session: AsyncSession, seen: Observation) -> set[str]:
        rows = await session.scalars(
            select(Number.upstream_row_id).where(
                Number.account_id == seen.place.account_id,
                Number.upstream_row_id.in_([row.row_id for row in seen.rows]),
            )
        )
        return {row_id for row_id in rows if row_id}

    async def _existing_rows(self, session: AsyncSession, seen: Observation) -> set[str]:
        rows = await session.scalars(
            select(ExistingNumber.row_id).where(
                ExistingNumber.account_id == seen.place.account_id,
                ExistingNumber.row_id.in_([row.row_id for row in seen.rows]),
            )
        )
        return set(rows)

    async def _file_orphans(self, session: AsyncSession, seen: Observation, *, explained: set[str]) -> None:
        account, organization = seen.place.account_id, seen.place.organization_id
        ids = [row.row_id for row in seen.rows]
        filed = await session.scalars(select(Orphan.row_id).where(Orphan.account_id == account, Orphan.row_id.in_(ids)))
        explained = explained | await self._owned_rows(session, seen) | await self._existing_rows(session, seen)
        explained |= {row for row in filed if row}
        strange = [row for row in seen.rows if row.row_id not in explained]
        if not strange:
            return
        # A number not confirmed yet, and a send under way, may still turn out to be what a row is about.
        on_their_way = set(
            await session.scalars(
                select(Number.phone_number).where(
                    Number.account_id == account, Number.organization_id == organization, Number.confirmed_at.is_(None)
                )
            )
        )
        sending = set(
            await session.scalars(
                select(Intent.user_id).where(
                    Intent.account_id == account, Intent.organization_id == organization, Intent.state == "sending"
                )
            )
        )
        for row in strange:
            if row.phone_number in on_their_way or (sending and (row.user_id is None or row.user_id in sending)):
                continue
            await self._file_orphan(session, seen.place, row)

    async def _file_orphan(self, session: AsyncSession, place: Place, row: Row) -> None:
        mark = mark_of(row.nickname)
        named = None
        if mark is not None:
            named = await session.scalar(
                select(Intent)
                .where(
                    Intent.account_id == place.account_id,
                    Intent.organization_id == place.organization_id,
                    Intent.user_id == row.user_id,
                    Intent.mark == mark,
                )
                .order_by((Intent.state == "refused").asc(), Intent.admitted_at.desc())
                .limit(1)
            )
        await session.execute(
            insert(Orphan)
            .values(
                id=new_id(),
                account_id=place.account_id,
                organization_id=place.organization_id,
                user_id=row.user_id,
                tenant_id=named.tenant_id if named else None,
                intent_id=named.id if named else None,
                area_code=row.phone_number[2:5],
                phone_number=row.phone_number,
                row_id=row.row_id,
                nickname=row.nickname,
                reason="second_row_of_a_mark" if named and named.state == "owned" else
                       "refused_intent" if named else "unexplained",
                state="open",
            )
            .on_conflict_do_nothing()
        )  # fmt: skip

    async def close_older(self, account_id: UUID, row: Row) -> None:
        """The number is there under a row id that is new: whoever held it under another has lost it.

        Only a confirmed acquisition is closed, for without its row id nothing tells it from the new one.
        """
        async with self._database.acting() as session:
            older = await session.scalar(
                select(Number)
                .where(
                    Number.account_id == account_id,
                    Number.phone_number == row.phone_number,
                    Number.state != "released",
                    Number.upstream_row_id.is_not(None),
                    Number.upstream_row_id != row.row_id,
                )
                .with_for_update()
            )
            if older is not None:
                await close_as_released(session, older, actor="worker", why=f"held again under row {row.row_id}")
            await session.execute(
                update(ExistingNumber)
                .where(
                    ExistingNumber.account_id == account_id,
                    ExistingNumber.phone_number == row.phone_number,
                    ExistingNumber.row_id != row.row_id,
                )
                .values(gone_at=func.clock_timestamp())
            )

    async def looks_since(self, place: Place, since: datetime) -> Sequence[Taken]:
        """The log of listings of a place from a moment on."""
        async with self._database.acting() as session:
            taken = await session.scalars(
                select(ListingTaken).where(
                    ListingTaken.account_id == place.account_id,
                    ListingTaken.organization_id == place.organization_id,
                    ListingTaken.began_at >= since,
                )
            )
            return [Taken(one.began_at, one.complete, one.trustworthy) for one in taken]

    async def doubts(self, place: Place) -> Sequence[Intent]:
        """Purchases of a place whose outcome is not proved; oldest first."""
        async with self._database.acting() as session:
            found = await session.scalars(
                select(Intent)
                .where(
                    Intent.account_id == place.account_id,
                    Intent.organization_id == place.organization_id,
                    Intent.state.in_(DOUBTS),
                )
                .order_by(Intent.admitted_at, Intent.id)
            )
            return found.all()

    async def difference(self, doubt: Intent) -> Row | None:
        """The one new row that only this doubt can have caused, where an operator vouched that nobody else buys.

        Only in lane mode, only for an exclusive user whose lane this doubt has held ever since, only over rows absent
        from the last trustworthy listing before the send, and only if no other open purchase could own the row.
        """
        async with self._database.acting() as session:
            sure = await session.scalar(
                select(Account.id)
                .join(User, (User.organization_id == doubt.organization_id) & (User.id == doubt.user_id))
                .where(Account.id == doubt.account_id, Account.mode == "lane", User.exclusive)
            )
            others = await session.scalar(
                select(func.count()).where(
                    Intent.account_id == doubt.account_id,
                    Intent.user_id == doubt.user_id,
                    Intent.id != doubt.id,
                    Intent.state.in_(OPEN),
                )
            )
            baseline = await session.scalar(
                select(func.max(ListingTaken.began_at)).where(
                    ListingTaken.account_id == doubt.account_id,
                    ListingTaken.organization_id == doubt.organization_id,
                    ListingTaken.complete,
                    ListingTaken.trustworthy,
                    ListingTaken.ended_at < doubt.admitted_at,
                )
            )
            if not doubt.holds_lane or sure is None or others or baseline is None:
                return None
            appeared = [
                row
                for row in await session.scalars(
                    select(UpstreamRow).where(
                        UpstreamRow.account_id == doubt.account_id,
                        UpstreamRow.organization_id == doubt.organization_id,
                        UpstreamRow.user_id == doubt.user_id,
                        UpstreamRow.first_seen_at > baseline,
                        UpstreamRow.gone_at.is_(None),
                        ~exists().where(
                            Number.account_id == UpstreamRow.account_id, Number.upstream_row_id == UpstreamRow.row_id
                        ),
                        ~exists().where(
                            Orphan.account_id == UpstreamRow.account_id,
                            Orphan.row_id == UpstreamRow.row_id,
                            Orphan.state != "open",
                        ),
                    )
                )
                if mark_of(row.nickname) is None
            ]
        return _row(appeared[0]) if len(appeared) == 1 else None

    async def candidates(self, doubt: Intent) -> Sequence[Orphan]:
        """Unexplained rows of the doubt's user that appeared since it was admitted and nobody has decided."""
        async with self._database.acting() as session:
            found = await session.scalars(
                select(Orphan).where(
                    Orphan.account_id == doubt.account_id,
                    Orphan.organization_id == doubt.organization_id,
                    or_(Orphan.user_id == doubt.user_id, Orphan.user_id.is_(None)),
                    Orphan.state == "open",
                    Orphan.created_at > doubt.admitted_at,
                )
            )
            return found.all()

    async def purchases_known(self, doubt: Intent, since: datetime) -> int:
        """How many purchases for the doubt's user are known from a moment on: ours, and rows that appeared."""
        async with self._database.acting() as session:
            ours = await session.scalar(
                select(func.count()).where(
                    Number.account_id == doubt.account_id, Number.user_id == doubt.user_id, Number.acquired_at >= since
                )
            )
            strangers = await session.scalar(
                select(func.count()).where(
                    Orphan.account_id == doubt.account_id, Orphan.user_id == doubt.user_id, Orphan.created_at >= since
                )
            )
        return (ours or 0) + (strangers or 0)

    async def explained(self, account_id: UUID, row_id: str) -> None:
        """The row turned out to be a purchase of ours: it is no orphan any more."""
        async with self._database.acting() as session:
            await session.execute(
                update(Orphan)
                .where(Orphan.account_id == account_id, Orphan.row_id == row_id, Orphan.state == "open")
                .values(state="adopted")
            )

    async def unresolved(self, intent: Intent) -> bool:
        """Absent for now: an operator sees it, the watch goes on, the quota stays held; the lane is free."""
        async with self._database.acting() as session:
            moved = await session.execute(
                update(Intent)
                .where(Intent.id == intent.id, Intent.state == "doubtful")
                .values(state="unresolved", decision="absent", holds_lane=False)
                .returning(Intent.id)
            )
            if moved.scalar_one_or_none() is None:
                return False
            note(
                session,
                actor="worker",
                action="intent.unresolved",
                of=("intent", str(intent.id)),
                tenant=intent.tenant_id,
                before={"state": "doubtful"},
                after={"state": "unresolved"},
                request_id=intent.request_id,
            )
            await record(session, intent.tenant_id, "number.unresolved", intent_id=intent.id)
            return True


def _row(seen: UpstreamRow) -> Row:
    return Row(
        row_id=seen.row_id,
        phone_number=E164(seen.phone_number),
        organization_id=seen.organization_id,
        user_id=seen.user_id,
        nickname=seen.nickname,
        subscription_id=None,
        created_at=None,
        inbound_agent_id=None,
        outbound_agent_id=None,
    )
