"""The operator's list of doubts: purchases whose outcome is not proved, with what was heard of each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, tuple_

from service.db import Database
from service.kit.clock import rfc3339
from service.kit.pagination import Cursors
from service.numbers.models import Evidence, Intent
from service.tenants.principals import Principal

OPEN = ("doubtful", "unresolved")


class Doubts:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Oldest first."""
        query = {"list": "doubts"}
        statement = select(Intent).where(Intent.state.in_(OPEN)).order_by(Intent.admitted_at, Intent.id)
        if cursor is not None:
            moment, intent_id = self._cursors.open(query, cursor)
            after = (datetime.fromisoformat(moment), UUID(intent_id))
            statement = statement.where(tuple_(Intent.admitted_at, Intent.id) > tuple_(*after))
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            total = await session.scalar(select(func.count()).where(Intent.state.in_(OPEN)))
            found = list(await session.scalars(statement.limit(limit + 1)))
            page = found[:limit]
            heard: dict[UUID, list[Evidence]] = {}
            for evidence in await session.scalars(
                select(Evidence).where(Evidence.intent_id.in_([intent.id for intent in page])).order_by(Evidence.id)
            ):
                heard.setdefault(evidence.intent_id, []).append(evidence)
        next_cursor = None
        if len(found) > limit:
            next_cursor = self._cursors.seal(query, [page[-1].admitted_at.isoformat(), str(page[-1].id)])
        return {
            "items": [_item(intent, heard.get(intent.id, [])) for intent in page],
            "next_cursor": next_cursor,
            "total": {"value": total, "exact": True},
        }


def _item(intent: Intent, heard: list[Evidence]) -> dict[str, Any]:
    return {
        "id": intent.id,
        "phone_number": None,
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
    }
