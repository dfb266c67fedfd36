"""The listing on Teli's path: from Postgres, in Teli's row shape."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Select, case, select, tuple_
from sqlalchemy.orm import aliased

from service.agents.models import AgentLink
from service.db import Database
from service.kit.clock import rfc3339
from service.kit.pagination import Cursors
from service.numbers.models import Number
from service.tenants.principals import Principal

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """One user's numbers, or with `whole` those of the organisation; only what the principal may see."""

    organization_id: str
    user_id: str
    whole: bool

    def as_json(self) -> dict[str, Any]:
        return {"organization_id": self.organization_id, "user_id": self.user_id, "whole": self.whole}


class TeliListings:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def page(
        self, caller: Principal, query: Query, *, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """At most `limit` rows and, where more follow, the cursor that continues."""
        after = None
        if cursor is not None:
            moment, number_id = self._cursors.open(query.as_json(), cursor)
            after = (datetime.fromisoformat(moment), UUID(number_id))
        rows, last = await self._batch(caller, query, after, limit + 1)
        if len(rows) <= limit:
            return rows, None
        moment, number_id = last[limit - 1]
        return rows[:limit], self._cursors.seal(query.as_json(), [moment.isoformat(), str(number_id)])

    async def stream(self, caller: Principal, query: Query, warnings: list[str]) -> AsyncIterator[bytes]:
        """The whole listing as one JSON object, in batches; no transaction is open while the caller reads."""
        rows, last = await self._batch(caller, query, None, BATCH)
        return self._pieces(caller, query, warnings, rows, last)

    async def _pieces(
        self,
        caller: Principal,
        query: Query,
        warnings: list[str],
        rows: list[dict[str, Any]],
        last: Sequence[tuple[datetime, UUID]],
    ) -> AsyncIterator[bytes]:
        yield b'{"success":true,"phone_numbers":['
        count = 0
        while rows:
            yield (b"," if count else b"") + orjson.dumps(rows)[1:-1]
            count += len(rows)
            if len(rows) < BATCH:
                break
            rows, last = await self._batch(caller, query, last[-1], BATCH)
        end: dict[str, Any] = {"count": count, "powered_by": "Teli"} | ({"warnings": warnings} if warnings else {})
        yield b"]," + orjson.dumps(end)[1:]

    async def _batch(
        self, caller: Principal, query: Query, after: tuple[datetime, UUID] | None, limit: int
    ) -> tuple[list[dict[str, Any]], list[tuple[datetime, UUID]]]:
        statement = _select(query).limit(limit)
        if after is not None:
            statement = statement.where(tuple_(Number.acquired_at, Number.id) > tuple_(*after))
        if caller.tenant_id is not None and not query.whole:
            statement = statement.where(Number.tenant_id == caller.tenant_id)
        async with self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
            found = (await session.execute(statement)).all()
        return [teli_row(row) for row in found], [(row.acquired_at, row.id) for row in found]


def _select(query: Query) -> Select[Any]:
    inbound, outbound = aliased(AgentLink), aliased(AgentLink)
    statement: Select[Any] = (
        select(
            *Number.__table__.columns,
            in_force(inbound).label("inbound_agent_id"),
            in_force(outbound).label("outbound_agent_id"),
        )
        .outerjoin(inbound, (inbound.number_id == Number.id) & (inbound.direction == "inbound"))
        .outerjoin(outbound, (outbound.number_id == Number.id) & (outbound.direction == "outbound"))
        .where(Number.organization_id == query.organization_id, Number.state != "released")
        .order_by(Number.acquired_at, Number.id)
    )
    return statement if query.whole else statement.where(Number.user_id == query.user_id)


def in_force(link: type[AgentLink]) -> Any:
    """The agent that is wanted, or, where Teli refused it, the one that it had before."""
    return case((link.state == "refused", link.confirmed), else_=link.desired)


def teli_row(row: Any) -> dict[str, Any]:
    """One number as Teli lists it, and our own members beside."""
    return {
        "phone_number": row.phone_number,
        "pretty_phone_number": row.pretty,
        "id": str(row.id),
        "area_code": row.area_code,
        "phone_type": "voice",
        "provider": "teli_voice",
        "user_id": row.user_id,
        "organization_id": row.organization_id,
        "tenant_id": row.tenant_id,
        "outbound_agent_id": row.outbound_agent_id,
        "inbound_agent_id": row.inbound_agent_id,
        "nickname": row.nickname,
        "location": None,
        "accessible_by": [],
        "stripe_subscription_id": row.subscription_id,
        "zapier": False,
        "created_at": rfc3339(row.acquired_at),
        "state": row.state,
        "cost_center": row.cost_center,
        "tags": row.tags,
        "holder_user_id": row.holder_user_id,
    }
