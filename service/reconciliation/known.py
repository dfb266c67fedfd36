"""What the ledger knows of a place, loaded to judge one listing of it.

Plain columns, no entities, in the same few statements whatever the number of rows.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ARRAY, Text, any_, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.numbers.marks import mark_of
from service.numbers.models import Intent, Number
from service.reconciliation.doubts import named, open_doubts
from service.reconciliation.judgement import (
    GHOST_LOOKS,
    GHOSTS_AT_MOST,
    SURELY_HELD,
    Acquisition,
    Holder,
    Known,
    LastSeen,
    Named,
    Observation,
    Place,
    ghosts,
    unexplained,
)
from service.reconciliation.models import ExistingNumber, Orphan
from service.teli.listing import Row


async def known_of(session: AsyncSession, seen: Observation) -> Known:
    """What is known of a place, of what the listing shows, and of what it ought to show."""
    listed = [row.row_id for row in seen.rows]
    # In the order in which a purchase goes through these: what moves on meanwhile is found further down, never missed.
    sending = await _sending(session, seen.place)
    doubts = await open_doubts(session, seen.place)
    unconfirmed = await _unconfirmed(session, seen.place)
    ours = await _ours(session, seen, listed)
    existing = await _listed_in(session, ExistingNumber, seen.place, listed)
    filed = await _listed_in(session, Orphan, seen.place, listed)
    strange = unexplained(seen, ours=ours, existing=existing, filed=filed)
    return Known(
        rows=await _rows(session, seen.place, listed),
        ours=ours,
        existing=existing,
        filed=filed,
        doubts=doubts,
        named=await _named_by_marks(session, seen.place, strange),
        holders=await _holders(session, seen.place, [one.named_number for one in doubts if one.named_number]),
        unconfirmed=unconfirmed,
        sending=sending,
    )


async def _sending(session: AsyncSession, place: Place) -> Mapping[str, datetime]:
    found = await session.execute(
        select(Intent.user_id, func.min(Intent.admitted_at).label("oldest"))
        .where(
            Intent.account_id == place.account_id,
            Intent.organization_id == place.organization_id,
            Intent.state == "sending",
        )
        .group_by(Intent.user_id)
    )
    return {row.user_id: row.oldest for row in found}


async def _unconfirmed(session: AsyncSession, place: Place) -> Collection[tuple[str, str, str]]:
    found = await session.execute(
        select(Number.phone_number, Number.user_id, Number.mark).where(
            Number.account_id == place.account_id,
            Number.organization_id == place.organization_id,
            Number.confirmed_at.is_(None),
        )
    )
    return {(row.phone_number, row.user_id, row.mark) for row in found}


async def _ours(session: AsyncSession, seen: Observation, listed: Sequence[str]) -> Mapping[str, Acquisition]:
    found = await session.execute(
        text(
            """
            SELECT n.upstream_row_id, n.id, n.organization_id, n.state, r.gone_at,
                   coalesce(n.still_ours_at >= r.gone_at, false) AS vouched
            FROM numbers n LEFT JOIN upstream_rows r ON r.account_id = n.account_id AND r.row_id = n.upstream_row_id
            WHERE n.account_id = :account_id AND (
              n.upstream_row_id = ANY (CAST(:listed AS text[]))
              OR n.organization_id = :organization_id AND n.state = ANY (CAST(:held AS text[]))
                AND n.upstream_row_id IS NOT NULL
            )
            """
        ),
        {**named(seen.place), "listed": listed, "held": list(SURELY_HELD)},
    )
    ours = {
        row.upstream_row_id: Acquisition(row.id, row.organization_id, row.state, row.gone_at, 0, row.vouched)
        for row in found
    }
    gone = {
        row_id: one.gone_at for row_id, one in ghosts(seen, ours).items() if one.gone_at is not None and not one.vouched
    }
    if len(gone) <= GHOSTS_AT_MOST:
        looks = await _looks_since(session, seen.place, set(gone.values()))
        ours |= {row_id: ours[row_id]._replace(looks_since_gone=looks[at]) for row_id, at in gone.items()}
    return ours


async def _looks_since(session: AsyncSession, place: Place, moments: Collection[datetime]) -> Mapping[datetime, int]:
    """Complete listings of a place from each moment on, counted no further than it takes to call a number a ghost."""
    if not moments:
        return {}
    found = await session.execute(
        text(
            """
            SELECT since, (SELECT count(*) FROM (
              SELECT FROM listings l WHERE l.account_id = :account_id AND l.organization_id = :organization_id
                AND l.complete AND l.began_at >= since LIMIT :enough
            ) counted) AS looks
            FROM unnest(CAST(:moments AS timestamptz[])) AS since
            """
        ),
        {**named(place), "moments": list(moments), "enough": GHOST_LOOKS},
    )
    return {row.since: row.looks for row in found}


async def _holders(session: AsyncSession, place: Place, numbers: Sequence[str]) -> Mapping[str, Holder]:
    if not numbers:
        return {}
    found = await session.execute(
        select(Number.phone_number, Number.upstream_row_id, Number.mark).where(
            Number.account_id == place.account_id,
            Number.phone_number.in_(numbers),
            Number.state != "released",
            Number.upstream_row_id.is_not(None),
        )
    )
    return {row.phone_number: Holder(row.upstream_row_id, row.mark) for row in found}


async def _listed_in(
    session: AsyncSession, table: type[ExistingNumber | Orphan], place: Place, listed: Sequence[str]
) -> Collection[str]:
    """Those of the rows listed now that a table of the account's rows has."""
    found = await session.scalars(
        select(table.row_id).where(
            table.account_id == place.account_id, table.row_id == any_(literal(listed, ARRAY(Text)))
        )
    )
    return {row_id for row_id in found if row_id}


async def _rows(session: AsyncSession, place: Place, listed: Sequence[str]) -> Mapping[str, LastSeen]:
    """Of the place, and what is listed now. What is gone and stays so changes nothing, and is not asked for."""
    found = await session.execute(
        text(
            """
            SELECT row_id, organization_id, user_id, nickname, first_seen_at, gone_at FROM upstream_rows
            WHERE account_id = :account_id
              AND (organization_id = :organization_id AND gone_at IS NULL OR row_id = ANY (CAST(:listed AS text[])))
            """
        ),
        {**named(place), "listed": listed},
    )
    return {
        row.row_id: LastSeen(row.organization_id, row.user_id, row.nickname, row.first_seen_at, row.gone_at)
        for row in found
    }


async def _named_by_marks(
    session: AsyncSession, place: Place, strange: Sequence[Row]
) -> Mapping[tuple[str | None, str], Named]:
    """The intents that the marks of these rows name: a key's that is not refused, else its last refused one.

    One that has forgotten its key, which may buy anew since, comes after all that have theirs.
    """
    marks = {mark for row in strange if (mark := mark_of(row.nickname))}
    if not marks:
        return {}
    found = await session.execute(
        text(
            """
            SELECT DISTINCT ON (user_id, mark) user_id, mark, id, tenant_id, state FROM intents
            WHERE account_id = :account_id AND organization_id = :organization_id
              AND mark = ANY (CAST(:marks AS text[]))
            ORDER BY user_id, mark, idempotency_key IS NULL, state = 'refused', admitted_at DESC
            """
        ),
        {**named(place), "marks": list(marks)},
    )
    return {(row.user_id, row.mark): Named(row.id, row.tenant_id, row.state) for row in found}
