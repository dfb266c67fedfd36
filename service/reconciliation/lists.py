"""The operator's short lists: what nothing but a person can decide, each with its evidence."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, func, literal, select, text, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.db import Database
from service.kit.clock import rfc3339
from service.kit.errors import NotFound
from service.kit.pagination import Cursors
from service.numbers.models import Evidence, Intent
from service.reconciliation.grounds import unpacked
from service.reconciliation.judgement import GHOST_LOOKS
from service.reconciliation.models import DecidedOn, Orphan
from service.tenants.principals import Principal

OPEN = ("doubtful", "unresolved")
# Of each doubt, how many candidates and how many pieces of evidence are shown: on the list, and alone.
MOST_LISTED, MOST_SHOWN = 20, 100
# Those that are shown, and how many there are.
Some = tuple[Sequence[Any], int]
NONE: Some = ((), 0)
# `gone_at` is since when; `looks` counts the complete listings that have not shown the number since it was last seen.
GHOSTS = """
    SELECT * FROM (
      SELECT n.id, n.phone_number, n.state, n.organization_id, n.tenant_id, n.user_id, n.area_code, n.nickname,
             n.upstream_row_id AS row_id, found.since AS gone_at, found.reason, found.looks_needed,
             (SELECT count(*) FROM listings l WHERE l.account_id = n.account_id
              AND l.organization_id = n.organization_id AND l.complete AND l.began_at >= found.unseen_since) AS looks
      FROM (
        SELECT n.id, r.gone_at AS since, r.gone_at AS unseen_since, CAST(:enough AS integer) AS looks_needed,
               'Teli lists it no more' AS reason
        FROM numbers n JOIN upstream_rows r ON r.account_id = n.account_id AND r.row_id = n.upstream_row_id
        WHERE n.state IN ('active', 'release_scheduled') AND r.gone_at < clock_timestamp() - CAST(:window AS interval)
          AND r.gone_at > coalesce(n.still_ours_at, '-infinity')
        UNION ALL
        SELECT n.id, s.ended_at, CASE WHEN n.confirmed_at IS NULL THEN n.acquired_at ELSE r.gone_at END, 0,
               'its release is unresolved: ' || coalesce(s.outcome, 'unknown')
        FROM steps s JOIN numbers n ON n.id = s.number_id AND n.state = 'releasing'
        LEFT JOIN upstream_rows r ON r.account_id = n.account_id AND r.row_id = n.upstream_row_id
        WHERE s.kind = 'release' AND s.state = 'unresolved'
        UNION ALL
        SELECT n.id, n.acquired_at, n.acquired_at, 0, 'bought, and never listed'
        FROM numbers n WHERE n.confirmed_at IS NULL AND n.state IN ('active', 'release_scheduled')
          AND greatest(n.acquired_at, n.still_ours_at) < clock_timestamp() - CAST(:window AS interval)
      ) found JOIN numbers n ON n.id = found.id
    ) listed WHERE looks >= looks_needed
"""
LISTED_GHOSTS = f"FROM ({GHOSTS}) g"


async def is_ghost(session: AsyncSession, number_id: UUID, *, window: timedelta) -> bool:
    """Whether this number is on the list of ghosts now."""
    found: bool | None = await session.scalar(
        text(f"SELECT count(*) > 0 {LISTED_GHOSTS} WHERE g.id = :id"),
        {"window": window, "enough": GHOST_LOOKS, "id": number_id},
    )
    return bool(found)


class Lists:
    def __init__(self, database: Database, cursors: Cursors, *, window: timedelta) -> None:
        self._database = database
        self._cursors = cursors
        self._window = window

    async def doubts(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Purchases whose outcome is not proved, oldest first, with what was heard and what they may have bought."""
        statement = select(Intent).where(Intent.state.in_(OPEN)).order_by(Intent.admitted_at, Intent.id)
        if cursor is not None:
            statement = statement.where(
                tuple_(Intent.admitted_at, Intent.id) > tuple_(*self._position("doubts", cursor))
            )
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            total = await session.scalar(select(func.count()).where(Intent.state.in_(OPEN)))
            found = (await session.scalars(statement.limit(limit + 1))).all()
            items = await _doubts(session, found[:limit], most=MOST_LISTED)
        return self._page("doubts", items, total, [(one.admitted_at, one.id) for one in found], limit)

    async def orphans(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Numbers upstream that no intent explains, oldest first."""
        statement: Select[Any] = select(Orphan).where(Orphan.state == "open").order_by(Orphan.created_at, Orphan.id)
        if cursor is not None:
            statement = statement.where(
                tuple_(Orphan.created_at, Orphan.id) > tuple_(*self._position("orphans", cursor))
            )
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            total = await session.scalar(select(func.count()).where(Orphan.state == "open"))
            found = (await session.scalars(statement.limit(limit + 1))).all()
        items = [_orphan(one) for one in found[:limit]]
        return self._page("orphans", items, total, [(one.created_at, one.id) for one in found], limit)

    async def ghosts(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Numbers that several complete listings over a window did not show, or none ever did, or whose release is
        unresolved; oldest first.
        """
        after = self._position("ghosts", cursor) if cursor is not None else None
        beyond = "WHERE (g.gone_at, g.id) > (:moment, :id)" if after else ""
        values = {"window": self._window, "enough": GHOST_LOOKS, "limit": limit + 1}
        if after:
            values |= {"moment": after[0], "id": after[1]}
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            # Looked for once: to find them takes as long as to count them.
            page = text(
                f"WITH g AS MATERIALIZED ({GHOSTS})"  # noqa: S608 - of constants of this module alone
                " SELECT counted.total, page.* FROM (SELECT count(*) AS total FROM g) counted"
                f" LEFT JOIN (SELECT * FROM g {beyond} ORDER BY g.gone_at, g.id LIMIT :limit) page ON true"
                " ORDER BY page.gone_at, page.id"
            )
            rows = (await session.execute(page, values)).all()
        total, found = rows[0].total, [row for row in rows if row.id is not None]
        items = [
            {name: value for name, value in row._mapping.items() if name != "total"} | {"gone_at": rfc3339(row.gone_at)}
            for row in found[:limit]
        ]
        return self._page("ghosts", items, total, [(row.gone_at, row.id) for row in found], limit)

    async def doubt(self, caller: Principal, intent_id: UUID) -> dict[str, Any]:
        """One purchase, in doubt or decided, and what it was decided on, as far as that is kept.

        Raises: NotFound.
        """
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            intent = await session.get(Intent, intent_id)
            if intent is None:
                raise NotFound
            [item] = await _doubts(session, [intent], most=MOST_SHOWN)
            decided_on = await session.scalars(
                select(DecidedOn).where(DecidedOn.intent_id == intent_id).order_by(DecidedOn.at, DecidedOn.kind)
            )
            item["decided_on"] = [
                {"at": rfc3339(one.at), "kind": one.kind, **unpacked(one.payload)} for one in decided_on
            ]
        return item

    def _position(self, name: str, cursor: str) -> tuple[datetime, UUID]:
        moment, item_id = self._cursors.open({"list": name}, cursor)
        return datetime.fromisoformat(moment), UUID(item_id)

    def _page(
        self,
        name: str,
        items: list[dict[str, Any]],
        total: int | None,
        positions: Sequence[tuple[datetime, UUID]],
        limit: int,
    ) -> dict[str, Any]:
        next_cursor = None
        if len(positions) > limit:
            moment, item_id = positions[limit - 1]
            next_cursor = self._cursors.seal({"list": name}, [moment.isoformat(), str(item_id)])
        return {"items": items, "next_cursor": next_cursor, "total": {"value": total, "exact": True}}


async def _doubts(session: AsyncSession, intents: Sequence[Intent], *, most: int) -> list[dict[str, Any]]:
    """As shown, in the same few statements however many they are."""
    heard, candidates = await _heard(session, intents, most), await _candidates(session, intents, most)
    return [_doubt(one, heard.get(one.id, NONE), candidates[one.id]) for one in intents]


async def _heard(session: AsyncSession, intents: Sequence[Intent], most: int) -> Mapping[UUID, Some]:
    """The last that was heard of each, oldest first."""
    of_one = (
        select(Evidence, func.count().over().label("total"))
        .where(Evidence.intent_id == Intent.id)
        .order_by(Evidence.id.desc())
        .limit(most)
        .correlate(Intent)
        .lateral()
    )
    evidence = aliased(Evidence, of_one)
    found = await session.execute(
        select(evidence, of_one.c.total)
        .select_from(Intent)
        .join(of_one, true())
        .where(Intent.id.in_([intent.id for intent in intents]))
        .order_by(evidence.id)
    )
    heard: dict[UUID, tuple[list[Evidence], int]] = {}
    for one, total in found:
        heard.setdefault(one.intent_id, ([], total))[0].append(one)
    return heard


async def _candidates(session: AsyncSession, intents: Sequence[Intent], most: int) -> Mapping[UUID, Some]:
    """The first rows that nothing explains and that appeared after each was admitted."""
    appeared = await _appeared(session, {intent.organization_id for intent in intents})
    ids: dict[UUID, tuple[list[UUID], int]] = {}
    for intent in intents:
        of_users = [
            appeared.get((intent.account_id, intent.organization_id, one), []) for one in (intent.user_id, None)
        ]
        after = [(rows, bisect_right(rows, intent.admitted_at, key=itemgetter(0))) for rows in of_users]
        first = sorted(row for rows, start in after for row in rows[start : start + most])[:most]
        ids[intent.id] = [row_id for _, row_id in first], sum(len(rows) - start for rows, start in after)
    wanted = {one for shown, _ in ids.values() for one in shown}
    found = await session.scalars(select(Orphan).where(Orphan.id == any_(literal(list(wanted), ARRAY(Uuid)))))
    orphans = {one.id: one for one in found}
    return {intent_id: ([orphans[one] for one in shown], total) for intent_id, (shown, total) in ids.items()}


async def _appeared(
    session: AsyncSession, organizations: Collection[str]
) -> Mapping[tuple[UUID, str | None, str | None], list[tuple[datetime, UUID]]]:
    """When each open orphan appeared, and its id, by account, organisation and user; oldest first.

    Little of each and read once: a search for every doubt would read them all over again for every one.
    """
    found = await session.execute(
        select(Orphan.account_id, Orphan.organization_id, Orphan.user_id, Orphan.created_at, Orphan.id)
        .where(Orphan.state == "open", Orphan.organization_id.in_(organizations))
        .order_by(Orphan.created_at, Orphan.id)
    )
    appeared: dict[tuple[UUID, str | None, str | None], list[tuple[datetime, UUID]]] = {}
    for account, organization, user, at, orphan_id in found:
        appeared.setdefault((account, organization, user), []).append((at, orphan_id))
    return appeared


def _doubt(intent: Intent, heard: Some, candidates: Some) -> dict[str, Any]:
    evidence, evidence_total = heard
    orphans, orphans_total = candidates
    return {
        "id": intent.id,
        "phone_number": intent.named_number,
        "state": intent.state,
        "organization_id": intent.organization_id,
        "tenant_id": intent.tenant_id,
        "user_id": intent.user_id,
        "area_code": intent.area_code,
        "nickname": intent.wish.get("nickname"),
        "reason": intent.decision,
        "mark": intent.mark.strip(),
        "admitted_at": rfc3339(intent.admitted_at),
        "send_ended_at": rfc3339(intent.send_ended_at) if intent.send_ended_at else None,
        "evidence": [
            {
                "heard_at": rfc3339(one.heard_at),
                "kind": one.kind,
                "status": one.status,
                "body": one.body,
                "detail": one.detail,
            }
            for one in evidence
        ],
        "evidence_total": evidence_total,
        "candidates": [_orphan(one) for one in orphans],
        "candidates_total": orphans_total,
    }


def _orphan(orphan: Orphan) -> dict[str, Any]:
    return {
        "id": orphan.id,
        "phone_number": orphan.phone_number,
        "state": orphan.state,
        "organization_id": orphan.organization_id,
        "tenant_id": orphan.tenant_id,
        "user_id": orphan.user_id,
        "area_code": orphan.area_code,
        "nickname": orphan.nickname,
        "row_id": orphan.row_id,
        "reason": orphan.reason,
        "intent_id": orphan.intent_id,
        "seen_at": rfc3339(orphan.created_at),
    }
