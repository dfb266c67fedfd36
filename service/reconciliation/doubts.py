"""Questions about doubts, to the ledger: each method is one transaction, and asks for all doubts of a place at once.

What a place's doubts need is loaded together, so that a look costs the same few questions for one doubt as for
hundreds. The rules are pure and elsewhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.phone import E164
from service.numbers.models import Intent, Number
from service.outbox.events import record
from service.reconciliation.absence import Bought, Taken, count_purchases
from service.reconciliation.grounds import Grounds
from service.reconciliation.judgement import Doubt, Lane, Place
from service.reconciliation.models import DecidedOn, ExistingNumber, ListingTaken, Orphan, UpstreamRow
from service.teli.listing import Row
from service.tenants.models import Account, Tenant, User

# What is still being sent is for its sender to tell, who has heard more than a listing shows.
DOUBTS = ("doubtful", "unresolved")
# Refused by statuses that Teli does not document: they may have bought all the same.
WATCHED = ("bad_request", "rate_limited")
# Refused by a decision, with no proof: they may have bought as well, and nothing says by when it would have shown.
DECIDED = ("operator", "presumed")
ENDED_AT = func.coalesce(Intent.send_ended_at, Intent.lease_until)


@dataclass(frozen=True, slots=True)
class OpenDoubts:
    """All that deciding the doubts of a place takes.

    `log`: its listings since the first of the `doubtful` ended, save those that prove nothing. `lanes`: of the doubts
    that hold theirs.
    """

    doubts: Sequence[Doubt]
    log: Sequence[Taken]
    lanes: Mapping[UUID, Lane]


class Doubts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, place: Place, *, settling: timedelta) -> OpenDoubts:
        """The doubts of a place, oldest first, with what is known of each. `settling`: the settling window.

        Those whose user is exclusive no more give up their lanes.
        """
        async with self._database.acting() as session:
            doubts = await open_doubts(session, place)
            lanes = await _lanes(session, place, doubts, settling)
            return OpenDoubts(doubts, await _log(session, place, doubts), lanes)

    async def with_candidates(self, place: Place, doubts: Sequence[Doubt]) -> Set[UUID]:
        """Those for whose user an unexplained row appeared since they were admitted, which nobody has decided."""
        query = text(
            """
            SELECT DISTINCT doubt.id
            FROM unnest(CAST(:ids AS uuid[]), CAST(:users AS text[]), CAST(:admitted AS timestamptz[]))
                   AS doubt(id, user_id, admitted_at)
            JOIN orphans o ON o.account_id = :account_id AND o.organization_id = :organization_id AND o.state = 'open'
              AND o.created_at > doubt.admitted_at AND (o.user_id = doubt.user_id OR o.user_id IS NULL)
            """
        )
        values = {
            **named(place),
            "ids": [one.id for one in doubts],
            "users": [one.user_id for one in doubts],
            "admitted": [one.admitted_at for one in doubts],
        }
        async with self._database.acting() as session:
            return set((await session.scalars(query, values)).all())

    async def purchases_known(
        self, place: Place, asked: Set[tuple[str, datetime]]
    ) -> Mapping[tuple[str, datetime], int]:
        """How many purchases of each user are surely known from a moment on: ours, and rows that appeared.

        Below the truth rather than above it, for one too many hides a purchase that Teli counts. What was learnt of
        since then may have been bought before, so each counts from the first that tells of it.
        """
        query = text(
            """
            WITH asked AS (
              SELECT * FROM unnest(CAST(:users AS text[]), CAST(:since AS timestamptz[])) AS asked(user_id, since)
            ), told AS (
              SELECT n.user_id, n.phone_number, n.upstream_row_id AS row_id,
                     least(n.acquired_at, i.admitted_at, r.first_seen_at) AS told_at
              FROM numbers n
              LEFT JOIN intents i ON i.id = n.intent_id
              LEFT JOIN upstream_rows r ON r.account_id = n.account_id AND r.row_id = n.upstream_row_id
              WHERE n.account_id = :account_id AND n.organization_id = :organization_id
                AND n.user_id = ANY (CAST(:users AS text[]))
              UNION ALL
              SELECT o.user_id, o.phone_number, o.row_id, least(o.created_at, i.admitted_at, r.first_seen_at)
              FROM orphans o
              LEFT JOIN intents i ON i.id = o.intent_id
              LEFT JOIN upstream_rows r ON r.account_id = o.account_id AND r.row_id = o.row_id
              WHERE o.account_id = :account_id AND o.organization_id = :organization_id
                -- What was named, and is not listed, by the purchase of another may be that other, misnamed.
                AND (o.row_id IS NOT NULL OR i.state IS DISTINCT FROM 'owned')
            )
            SELECT asked.user_id, asked.since, t.phone_number, t.row_id
            FROM asked JOIN told t ON t.user_id = asked.user_id AND t.told_at >= asked.since
            WHERE NOT EXISTS (SELECT FROM told e WHERE e.phone_number = t.phone_number AND e.told_at < asked.since
                              AND (e.row_id = t.row_id OR e.row_id IS NULL OR t.row_id IS NULL))
            """
        )
        known: dict[tuple[str, datetime], list[Bought]] = {pair: [] for pair in asked}
        async with self._database.acting() as session:
            for user, since, phone_number, row_id in await session.execute(query, _asked(place, asked)):
                known[user, since].append((phone_number, row_id))
        return {pair: count_purchases(found) for pair, found in known.items()}

    async def accounted_for(
        self, place: Place, asked: Set[tuple[str, datetime]], *, settling: timedelta
    ) -> Mapping[tuple[str, datetime], int]:
        """How many purchases of each user Teli may count from a moment on, before one is unaccounted for.

        Beside those learnt of since then: rows that were first listed since, what was bought before Numbergate and may
        have been on one of those days, and purchases of which nobody can know yet, being sent or in doubt for less than
        `settling`. Above the truth rather than below it, for it is to raise an alarm.
        """
        query = text(
            """
            WITH asked AS (
              SELECT * FROM unnest(CAST(:users AS text[]), CAST(:since AS timestamptz[])) AS asked(user_id, since)
            ), forms AS (
              SELECT user_id, since, user_id AS form FROM asked
              UNION ALL
              SELECT asked.user_id, asked.since, u.upstream_uuid FROM asked JOIN users u ON u.id = asked.user_id
              WHERE u.organization_id = :organization_id
            )
            SELECT asked.user_id, asked.since, r.phone_number, r.row_id
            FROM asked JOIN upstream_rows r ON r.user_id = asked.user_id AND r.first_seen_at >= asked.since
            WHERE r.account_id = :account_id AND r.organization_id = :organization_id
              AND NOT EXISTS (SELECT FROM existing_numbers e WHERE e.account_id = r.account_id AND e.row_id = r.row_id)
            UNION ALL
            SELECT forms.user_id, forms.since, e.phone_number, e.row_id
            FROM forms JOIN existing_numbers e ON e.user_id = forms.form AND e.first_seen_at >= forms.since
            WHERE e.account_id = :account_id
              -- Its time has many forms; only one that is read as earlier says that it was not bought since.
              AND (e.upstream_created_at IS NULL OR e.upstream_created_at !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}'
                   OR left(e.upstream_created_at, 10) >= to_char(forms.since AT TIME ZONE 'UTC', 'YYYY-MM-DD'))
            """
        )
        async with self._database.acting() as session:
            told = await _purchases(session, place, asked)
            for user, since, phone_number, row_id in await session.execute(query, _asked(place, asked)):
                told[user, since].append((phone_number, row_id))
            under_way = Counter(
                await session.scalars(
                    select(Intent.user_id).where(
                        Intent.account_id == place.account_id,
                        Intent.organization_id == place.organization_id,
                        # As two conditions, each of which has an index.
                        or_(
                            Intent.state == "sending",
                            and_(Intent.state.in_(DOUBTS), func.clock_timestamp() - settling <= ENDED_AT),
                        ),
                    )
                )
            )
        return {(user, since): count_purchases(found) + under_way[user] for (user, since), found in told.items()}

    async def keep_grounds(self, grounds: Sequence[Grounds]) -> None:
        """What doubts are about to be decided on."""
        async with self._database.acting() as session:
            await _keep(session, grounds)

    async def unresolved(self, doubts: Sequence[Doubt], grounds: Sequence[Grounds]) -> Set[UUID]:
        """Absent for now: an operator sees them, the watch goes on, the quota stays held; their lanes are free.

        Returns those that were still `doubtful`; of these the grounds are kept.
        """
        async with self._database.acting() as session:
            found = await session.execute(
                update(Intent)
                .where(Intent.id.in_([one.id for one in doubts]), Intent.state == "doubtful")
                .values(state="unresolved", decision="absent", holds_lane=False)
                .returning(Intent.id, Intent.area_code)
            )
            moved = {row.id: row.area_code for row in found}
            await _keep(session, [one for one in grounds if one.intent_id in moved])
            for doubt in doubts:
                if doubt.id not in moved:
                    continue
                note(
                    session,
                    actor="worker",
                    action="intent.unresolved",
                    of=("intent", str(doubt.id)),
                    tenant=doubt.tenant_id,
                    before={"state": "doubtful"},
                    after={"state": "unresolved"},
                    request_id=doubt.request_id,
                )
                await record(
                    session,
                    doubt.tenant_id,
                    "number.unresolved",
                    intent_id=doubt.id,
                    organization_id=doubt.organization_id,
                    user_id=doubt.user_id,
                    area_code=moved[doubt.id],
                    reason="absent",
                )
        return set(moved)


async def _purchases(
    session: AsyncSession, place: Place, asked: Set[tuple[str, datetime]]
) -> dict[tuple[str, datetime], list[Bought]]:
    query = text(
        """
        WITH asked AS (
          SELECT * FROM unnest(CAST(:users AS text[]), CAST(:since AS timestamptz[])) AS asked(user_id, since)
        )
        SELECT asked.user_id, asked.since, n.phone_number, n.upstream_row_id AS row_id
        FROM asked JOIN numbers n ON n.user_id = asked.user_id AND n.acquired_at >= asked.since
        WHERE n.account_id = :account_id AND n.organization_id = :organization_id
        UNION ALL
        SELECT asked.user_id, asked.since, o.phone_number, o.row_id
        FROM asked JOIN orphans o ON o.user_id = asked.user_id AND o.created_at >= asked.since
        WHERE o.account_id = :account_id AND o.organization_id = :organization_id
        """
    )
    known: dict[tuple[str, datetime], list[Bought]] = {pair: [] for pair in asked}
    for user, since, phone_number, row_id in await session.execute(query, _asked(place, asked)):
        known[user, since].append((phone_number, row_id))
    return known


def _asked(place: Place, asked: Set[tuple[str, datetime]]) -> dict[str, Any]:
    pairs = sorted(asked)
    return {**named(place), "users": [user for user, _ in pairs], "since": [since for _, since in pairs]}


async def _keep(session: AsyncSession, grounds: Sequence[Grounds]) -> None:
    """In place of what was kept before: of decisions that came to nothing the last alone is of any use."""
    if not grounds:
        return
    kept = insert(DecidedOn)
    await session.execute(
        kept.on_conflict_do_update(
            index_elements=["intent_id", "kind"],
            set_={"payload": kept.excluded.payload, "at": func.clock_timestamp()},
        ),
        [
            {"intent_id": one.intent_id, "tenant_id": one.tenant_id, "kind": one.kind, "payload": one.payload}
            for one in grounds
        ],
    )


async def open_doubts(session: AsyncSession, place: Place) -> Sequence[Doubt]:
    """Purchases of a place whose outcome is not proved; oldest first."""
    found = await session.execute(
        select(
            Intent.id,
            Intent.account_id,
            Intent.organization_id,
            Intent.tenant_id,
            Intent.user_id,
            Intent.mark,
            Intent.request_id,
            Intent.state,
            Intent.named_number,
            Intent.admitted_at,
            ENDED_AT.label("ended_at"),
            Intent.holds_lane,
            Tenant.write_off,
        )
        .outerjoin(Tenant, Tenant.id == Intent.tenant_id)
        .where(
            Intent.account_id == place.account_id,
            Intent.organization_id == place.organization_id,
            Intent.state.in_(DOUBTS),
        )
        .order_by(Intent.admitted_at, Intent.id)
    )
    return [Doubt(**row._mapping) for row in found]


async def _log(session: AsyncSession, place: Place, doubts: Sequence[Doubt]) -> Sequence[Taken]:
    """What is absent already needs no more proof, so the log asked for is short, however old the oldest doubt."""
    ends = [one.ended_at for one in doubts if one.state == "doubtful"]
    if not ends:
        return []
    taken = await session.execute(
        select(ListingTaken.began_at, ListingTaken.complete, ListingTaken.trustworthy)
        .where(
            ListingTaken.account_id == place.account_id,
            ListingTaken.organization_id == place.organization_id,
            ListingTaken.began_at >= min(ends),
            ListingTaken.complete,
            ListingTaken.trustworthy,
        )
        .order_by(ListingTaken.began_at)
    )
    return [Taken(*one) for one in taken]


async def _lanes(
    session: AsyncSession, place: Place, doubts: Sequence[Doubt], settling: timedelta
) -> Mapping[UUID, Lane]:
    holders = [one for one in doubts if one.holds_lane]
    if not holders:
        return {}
    users = {one.user_id for one in holders}
    mode = await session.scalar(select(Account.mode).where(Account.id == place.account_id))
    exclusive = set(
        await session.scalars(
            select(User.id).where(User.organization_id == place.organization_id, User.id.in_(users), User.exclusive)
        )
    )
    freed = [one.id for one in holders if one.user_id not in exclusive]
    if freed:
        await session.execute(
            update(Intent).where(Intent.id.in_(freed), Intent.state.in_(DOUBTS)).values(holds_lane=False)
        )
    open_purchases = Counter(
        await session.scalars(
            select(Intent.user_id).where(
                Intent.account_id == place.account_id,
                # As two conditions, each of which has an index.
                or_(Intent.state == "sending", Intent.state.in_(DOUBTS)),
                Intent.user_id.in_(users),
            )
        )
    )
    watched = (
        await session.execute(
            select(Intent.user_id, Intent.decided_at).where(
                Intent.account_id == place.account_id,
                Intent.organization_id == place.organization_id,
                Intent.state == "refused",
                Intent.decision.in_(WATCHED),
                Intent.user_id.in_(users),
            )
        )
    ).all()
    decided = Counter(
        await session.scalars(
            select(Intent.user_id).where(
                Intent.account_id == place.account_id,
                Intent.organization_id == place.organization_id,
                Intent.state == "refused",
                Intent.decision.in_(DECIDED),
                Intent.user_id.in_(users),
                ~exists().where(Orphan.intent_id == Intent.id),
            )
        )
    )
    baselines = await _baselines(session, place, holders)
    appeared = await _appeared(session, place, users, [one for one in baselines.values() if one is not None])
    return {
        one.id: Lane(
            mode=mode or "",
            exclusive=one.user_id in exclusive,
            held=one.holds_lane,
            others_open=open_purchases[one.user_id]
            - 1
            + decided[one.user_id]
            + sum(user == one.user_id and may_own_new_rows(at, baselines[one.id], settling) for user, at in watched),
            baseline=baselines[one.id],
            appeared=[(row, at) for row, at in appeared if row.user_id == one.user_id],
        )
        for one in holders
    }


def may_own_new_rows(refused_at: datetime | None, baseline: datetime | None, settling: timedelta) -> bool:
    """Whether a purchase that was refused then may own a row that was not there at the baseline.

    A row is listed late, and left out of a listing now and then: for the settling window.
    """
    return refused_at is not None and baseline is not None and refused_at + settling > baseline


async def _baselines(session: AsyncSession, place: Place, doubts: Sequence[Doubt]) -> dict[UUID, datetime | None]:
    """When the last trustworthy listing that ended before each send began."""
    found = await session.execute(
        text(
            """
            SELECT doubt.id, (SELECT max(l.began_at) FROM listings l WHERE l.account_id = :account_id
                              AND l.organization_id = :organization_id AND l.complete AND l.trustworthy
                              AND l.ended_at < doubt.admitted_at) AS began_at
            FROM unnest(CAST(:ids AS uuid[]), CAST(:admitted AS timestamptz[])) AS doubt(id, admitted_at)
            """
        ),
        {
            **named(place),
            "ids": [one.id for one in doubts],
            "admitted": [one.admitted_at for one in doubts],
        },
    )
    return {row.id: row.began_at for row in found}


async def _appeared(
    session: AsyncSession, place: Place, users: Set[str], baselines: Sequence[datetime]
) -> Sequence[tuple[Row, datetime]]:
    """Rows listed now, of these users and from these moments on, that no acquisition has and nobody decided."""
    if not baselines:
        return []
    found = await session.execute(
        select(
            UpstreamRow.row_id,
            UpstreamRow.phone_number,
            UpstreamRow.user_id,
            UpstreamRow.nickname,
            UpstreamRow.first_seen_at,
        ).where(
            UpstreamRow.account_id == place.account_id,
            UpstreamRow.organization_id == place.organization_id,
            UpstreamRow.user_id.in_(users),
            UpstreamRow.first_seen_at > min(baselines),
            UpstreamRow.gone_at.is_(None),
            ~exists().where(Number.account_id == UpstreamRow.account_id, Number.upstream_row_id == UpstreamRow.row_id),
            ~exists().where(
                ExistingNumber.account_id == UpstreamRow.account_id, ExistingNumber.row_id == UpstreamRow.row_id
            ),
            ~exists().where(
                Orphan.account_id == UpstreamRow.account_id,
                Orphan.row_id == UpstreamRow.row_id,
                Orphan.state != "open",
            ),
        )
    )
    return [
        (
            Row(
                row_id=one.row_id,
                phone_number=E164(one.phone_number),
                organization_id=place.organization_id,
                user_id=one.user_id,
                nickname=one.nickname,
                subscription_id=None,
                created_at=None,
                inbound_agent_id=None,
                outbound_agent_id=None,
            ),
            one.first_seen_at,
        )
        for one in found
    ]


def named(place: Place) -> dict[str, Any]:
    """As the parameters of a statement."""
    return {"account_id": place.account_id, "organization_id": place.organization_id}
