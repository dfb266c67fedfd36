"""The operator's short lists: what nothing but a person can decide, each with its evidence."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

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
            items = [
                _doubt(intent, await self._heard(session, intent), await self._candidates(session, intent))
                for intent in found[:limit]
            ]
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
        listed = f"FROM ({GHOSTS}) g"
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            total = await session.scalar(text(f"SELECT count(*) {listed}"), values)
            page = text(f"SELECT * {listed} {beyond} ORDER BY g.gone_at, g.id LIMIT :limit")
            found = (await session.execute(page, values)).all()
        items = [{**row._mapping, "gone_at": rfc3339(row.gone_at)} for row in found[:limit]]
        return self._page("ghosts", items, total, [(row.gone_at, row.id) for row in found], limit)

    async def doubt(self, caller: Principal, intent_id: UUID) -> dict[str, Any]:
        """One purchase, in doubt or decided, and what it was decided on, as far as that is kept.

        Raises: NotFound.
        """
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            intent = await session.get(Intent, intent_id)
            if intent is None:
                raise NotFound
            item = _doubt(intent, await self._heard(session, intent), await self._candidates(session, intent))
            decided_on = await session.scalars(
                select(DecidedOn).where(DecidedOn.intent_id == intent_id).order_by(DecidedOn.at, DecidedOn.kind)
            )
            item["decided_on"] = [
                {"at": rfc3339(one.at), "kind": one.kind, **unpacked(one.payload)} for one in decided_on
            ]
        return item

    async def _heard(self, session: AsyncSession, intent: Intent) -> Sequence[Evidence]:
        found = await session.scalars(select(Evidence).where(Evidence.intent_id == intent.id).order_by(Evidence.id))
        return found.all()

    async def _candidates(self, session: AsyncSession, intent: Intent) -> Sequence[Orphan]:
        found = await session.scalars(
            select(Orphan).where(
                Orphan.account_id == intent.account_id,
                Orphan.organization_id == intent.organization_id,
                Orphan.state == "open",
                Orphan.created_at > intent.admitted_at,
            )
        )
        return [one for one in found if one.user_id in (None, intent.user_id)]

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


def _doubt(intent: Intent, heard: Sequence[Evidence], candidates: Sequence[Orphan]) -> dict[str, Any]:
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
            for one in heard
        ],
        "candidates": [_orphan(one) for one in candidates],
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
