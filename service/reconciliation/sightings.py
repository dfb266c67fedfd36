"""What listings showed, in the ledger: each method of `Sightings` is one transaction.

A listing is kept as a line in a log, and its rows as they were last seen, with when each was first seen and when it was
gone. So a look costs a comparison of two sets and a write for what changed, however many doubts it serves, and the same
few statements for an organisation of twenty thousand rows as for one of two.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.types import new_id
from service.numbers.marks import mark_of
from service.numbers.models import Intent, Number
from service.numbers.repository import close_as_released
from service.numbers.telling import tell
from service.observability.metrics import ALARMS
from service.quotas.counting import count_held, hold_quotas
from service.reconciliation.doubts import named
from service.reconciliation.judgement import Judgement, Kept, Observation, Place, Presence, Stranger, Users, judge
from service.reconciliation.known import known_of
from service.reconciliation.models import ExistingNumber, ListingTaken, Look, Orphan
from service.teli.listing import Row
from service.tenants.upstreams import DEFAULT

# Longer than a listing together with a look at the users; it is renewed between further calls to Teli.
LOOK_LEASE = timedelta(minutes=2)
log = structlog.get_logger()


class Sightings:
    def __init__(self, database: Database, *, window: timedelta) -> None:
        self._database = database
        self._window = window

    async def claim(
        self, *, doubts_every: float, all_every: float, limit: int, account: UUID | None = None
    ) -> Sequence[Place]:
        """Places due for a look: those with a doubt every `doubts_every` seconds, all others every `all_every`.

        An account looks at the organisations that are its own, and of those without an account at whatever its tenants
        may buy for; the deployment's own account at all of these. What it ever looked at it goes on looking at, for
        what it bought stays with it. With `account` only places of that one.

        A purchase refused by a status that Teli does not document is watched like a doubt, for a settling window.

        Each is this caller's until it is looked at, or its lease is over. By the database's clock.
        """
        query = text(
            """
            INSERT INTO looks AS l (account_id, organization_id, lease_until)
            SELECT due.account_id, due.organization_id, clock_timestamp() + :lease
            FROM (
              SELECT a.id AS account_id, o.id AS organization_id,
                     EXISTS (SELECT FROM intents i WHERE i.account_id = a.id AND i.organization_id = o.id
                             AND i.state IN ('doubtful', 'unresolved'))
                     OR EXISTS (SELECT FROM intents i WHERE i.account_id = a.id AND i.organization_id = o.id
                                AND i.state = 'refused' AND i.decision IN ('bad_request', 'rate_limited')
                                AND i.decided_at > clock_timestamp() - CAST(:window AS interval))
                     AS doubted,
                     o.account_id = a.id OR (o.account_id IS NULL AND (a.name = :own OR EXISTS (
                       SELECT FROM grants g JOIN tenants t ON t.id = g.tenant_id
                       WHERE g.organization_id = o.id AND t.account_id = a.id))) AS served
              FROM accounts a CROSS JOIN organizations o
              WHERE a.listed_at IS NOT NULL AND a.id = coalesce(CAST(:account AS uuid), a.id)
            ) due
            LEFT JOIN looks was USING (account_id, organization_id)
            WHERE (due.served OR due.doubted OR was.account_id IS NOT NULL)
              AND coalesce(was.lease_until, '-infinity') < clock_timestamp()
              AND coalesce(was.looked_at, '-infinity') < clock_timestamp()
                  - CASE WHEN due.doubted THEN CAST(:doubts_every AS interval) ELSE CAST(:all_every AS interval) END
            ORDER BY due.doubted DESC, was.looked_at NULLS FIRST, due.account_id, due.organization_id
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
            "window": self._window,
            "account": account,
            "own": DEFAULT,
        }
        async with self._database.acting() as session:
            return [Place(row.account_id, row.organization_id) for row in await session.execute(query, values)]

    async def renew(self, place: Place) -> None:
        """The look goes on: the place is this caller's for another lease."""
        async with self._database.acting() as session:
            await session.execute(
                update(Look)
                .where(Look.account_id == place.account_id, Look.organization_id == place.organization_id)
                .values(lease_until=func.clock_timestamp() + LOOK_LEASE)
            )

    async def looked(self, place: Place) -> None:
        """The look is over, with or without an answer."""
        async with self._database.acting() as session:
            await session.execute(
                update(Look)
                .where(Look.account_id == place.account_id, Look.organization_id == place.organization_id)
                .values(looked_at=func.clock_timestamp(), lease_until=None)
            )

    async def users_of(self, organization: str) -> Users:
        query = text(
            "SELECT u.id, u.upstream_uuid, clock_timestamp() AS at"
            " FROM (SELECT) now LEFT JOIN users u ON u.organization_id = :organization ORDER BY u.id"
        )
        async with self._database.acting() as session:
            users = (await session.execute(query, {"organization": organization})).all()
        forms = {form: user.id for user in users for form in (user.id, user.upstream_uuid) if form}
        return Users(forms, min(user.at for user in users))

    async def learn_users(self, organization: str, uuids: dict[str, str]) -> None:
        """File the UUIDs of users that are known by their `unique_id`."""
        async with self._database.acting() as session:
            await session.execute(
                text(
                    "UPDATE users u SET upstream_uuid = learnt.uuid"
                    " FROM unnest(CAST(:ids AS text[]), CAST(:uuids AS text[])) AS learnt(id, uuid)"
                    " WHERE u.organization_id = :organization AND u.id = learnt.id"
                    " AND u.upstream_uuid IS DISTINCT FROM learnt.uuid"
                ),
                {"organization": organization, "ids": list(uuids), "uuids": list(uuids.values())},
            )

    async def keep(self, seen: Observation) -> Kept:
        """Keep a listing with all that it changes."""
        async with self._database.acting() as session:
            judgement = judge(seen, await known_of(session, seen), window=self._window)
            await _write(session, seen, judgement)
        return Kept(judgement.presences, judgement.trustworthy)

    async def close_older(self, presence: Presence) -> None:
        """The number is there under a row id that is new: whoever held it before under another has lost it.

        Without a row id nothing tells an acquisition from the new one but the mark and the user: one that was not
        confirmed yet is closed only where the row carries the doubt's mark, or the acquisition is another user's.
        """
        doubt, row = presence.intent, presence.row
        account_id = doubt.account_id
        unconfirmed: ColumnElement[bool] = Number.upstream_row_id.is_(None)
        if mark_of(row.nickname) != doubt.mark:
            elsewhere = or_(Number.user_id != doubt.user_id, Number.organization_id != doubt.organization_id)
            unconfirmed = unconfirmed & elsewhere
        async with self._database.acting() as session:
            older = await session.scalar(
                select(Number)
                .outerjoin(Intent, Intent.id == Number.intent_id)
                .where(
                    Number.account_id == account_id,
                    Number.phone_number == row.phone_number,
                    Number.state != "released",
                    or_(Number.upstream_row_id != row.row_id, unconfirmed),
                    # One that was bought later holds it now, and this row is only slow to vanish.
                    func.coalesce(Intent.admitted_at, Number.acquired_at) < doubt.admitted_at,
                )
                .with_for_update(of=Number)
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

    async def explained(self, account_id: UUID, row_id: str) -> None:
        """The row turned out to be a purchase of ours: it is no orphan any more."""
        async with self._database.acting() as session:
            await session.execute(
                update(Orphan)
                .where(Orphan.account_id == account_id, Orphan.row_id == row_id, Orphan.state == "open")
                .values(state="adopted")
            )


async def _write(session: AsyncSession, seen: Observation, judgement: Judgement) -> None:
    await session.execute(
        insert(ListingTaken).values(
            **named(seen.place),
            began_at=seen.began_at,
            row_count=len(seen.rows),
            complete=seen.complete,
            trustworthy=judgement.trustworthy,
        )
    )
    if judgement.fresh:
        await _add(session, seen, judgement.fresh)
    if judgement.changed:
        await _change(session, seen.place, judgement.changed)
    if judgement.gone:
        await session.execute(
            text(
                "UPDATE upstream_rows SET gone_at = :at WHERE account_id = :account_id"
                " AND organization_id = :organization_id AND row_id = ANY (CAST(:gone AS text[])) AND gone_at IS NULL"
            ),
            {**named(seen.place), "at": seen.began_at, "gone": list(judgement.gone)},
        )
    if judgement.vanished:
        await _add_vanished(session, seen, judgement.vanished)
    if judgement.healed:
        await _heal(session, judgement.healed)
    if judgement.orphans:
        await _file(session, seen.place, judgement.orphans)


async def _add(session: AsyncSession, seen: Observation, rows: Sequence[Row]) -> None:
    await session.execute(
        text(
            """
            INSERT INTO upstream_rows
              (account_id, organization_id, first_seen_at, row_id, user_id, phone_number, nickname)
            SELECT :account_id, :organization_id, :at, r.*
            FROM unnest(CAST(:ids AS text[]), CAST(:users AS text[]), CAST(:numbers AS text[]),
                        CAST(:names AS text[])) r
            ON CONFLICT DO NOTHING
            """
        ),
        {**named(seen.place), "at": seen.began_at, **columns(rows)},
    )


async def _add_vanished(session: AsyncSession, seen: Observation, rows: Sequence[str]) -> None:
    await session.execute(
        text(
            """
            INSERT INTO upstream_rows AS u
              (account_id, organization_id, row_id, user_id, phone_number, nickname, first_seen_at, gone_at)
            SELECT n.account_id, n.organization_id, n.upstream_row_id, n.user_id, n.phone_number, n.upstream_nickname,
                   coalesce(n.confirmed_at, n.acquired_at), :at
            FROM numbers n WHERE n.account_id = :account_id AND n.upstream_row_id = ANY (CAST(:rows AS text[]))
            -- What was listed elsewhere is missed where it is held.
            ON CONFLICT (account_id, row_id) DO UPDATE
              SET organization_id = excluded.organization_id, gone_at = excluded.gone_at
              WHERE u.organization_id <> excluded.organization_id
            """
        ),
        {"account_id": seen.place.account_id, "at": seen.began_at, "rows": list(rows)},
    )


async def _change(session: AsyncSession, place: Place, rows: Sequence[Row]) -> None:
    await session.execute(
        text(
            """
            UPDATE upstream_rows u
            SET organization_id = :organization_id, user_id = r.user_id, nickname = r.nickname, gone_at = NULL
            FROM unnest(CAST(:ids AS text[]), CAST(:users AS text[]), CAST(:names AS text[]))
                   AS r(row_id, user_id, nickname)
            WHERE u.account_id = :account_id AND u.row_id = r.row_id
            """
        ),
        {name: value for name, value in (named(place) | columns(rows)).items() if name != "numbers"},
    )


async def _heal(session: AsyncSession, numbers: Sequence[UUID]) -> None:
    """Decided to be missing, and listed again: held again, and counted."""
    healed = await session.scalars(
        update(Number).where(Number.id.in_(numbers), Number.state == "missing").values(state="active").returning(Number)
    )
    await hold_quotas(session)
    for number in healed.all():
        await count_held(session, number.tenant_id, number.organization_id, number.user_id, 1)
        note(
            session,
            actor="worker",
            action="number.seen_again",
            of=("number", str(number.id)),
            tenant=number.tenant_id,
            before={"state": "missing"},
            after={"state": "active"},
        )
        await tell(session, number, "number.seen_again")


async def _complete(session: AsyncSession, place: Place, strangers: Sequence[Stranger]) -> None:
    """The row of a sale that an answer told of late is that orphan's, not another one."""
    await session.execute(
        text(
            """
            UPDATE orphans o SET row_id = r.row_id, nickname = r.nickname, user_id = r.user_id, reason = r.reason
            FROM unnest(CAST(:ids AS text[]), CAST(:users AS text[]), CAST(:numbers AS text[]), CAST(:names AS text[]),
                        CAST(:intents AS uuid[]), CAST(:reasons AS text[]))
                   AS r(row_id, user_id, phone_number, nickname, intent_id, reason)
            WHERE o.account_id = :account_id AND o.phone_number = r.phone_number AND o.state = 'open'
              AND o.row_id IS NULL AND o.intent_id = r.intent_id
            """
        ),
        {
            "account_id": place.account_id,
            **columns([one.row for one in strangers]),
            "intents": [one.named.intent_id if one.named else None for one in strangers],
            "reasons": [one.reason for one in strangers],
        },
    )


async def _file(session: AsyncSession, place: Place, strangers: Sequence[Stranger]) -> None:
    if named_ones := [one for one in strangers if one.named is not None]:
        await _complete(session, place, named_ones)
    for one in strangers:
        if one.reason == "refused_intent" and one.named is not None:
            ALARMS.labels("late_proof").inc()
            log.error("a purchase came to light that was refused", intent=str(one.named.intent_id), row=one.row.row_id)
    await session.execute(
        text(
            """
            INSERT INTO orphans (account_id, organization_id, state, id, row_id, user_id, phone_number, nickname,
                                 area_code, intent_id, tenant_id, reason)
            SELECT :account_id, :organization_id, 'open', r.*
            FROM unnest(CAST(:orphans AS uuid[]), CAST(:ids AS text[]), CAST(:users AS text[]),
                        CAST(:numbers AS text[]), CAST(:names AS text[]), CAST(:area_codes AS text[]),
                        CAST(:intents AS uuid[]), CAST(:tenants AS text[]), CAST(:reasons AS text[])) r
            ON CONFLICT DO NOTHING
            """
        ),
        {
            **named(place),
            **columns([one.row for one in strangers]),
            "orphans": [new_id() for _ in strangers],
            "area_codes": [one.row.phone_number[2:5] for one in strangers],
            "intents": [one.named.intent_id if one.named else None for one in strangers],
            "tenants": [one.named.tenant_id if one.named else None for one in strangers],
            "reasons": [one.reason for one in strangers],
        },
    )


def columns(rows: Sequence[Row]) -> dict[str, Any]:
    """For a statement that unnests them: a list of each member."""
    return {
        "ids": [row.row_id for row in rows],
        "users": [row.user_id for row in rows],
        "numbers": [row.phone_number for row in rows],
        "names": [row.nickname for row in rows],
    }
