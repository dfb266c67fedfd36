"""Numbers that nobody calls and that call nobody, as far as that is known."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, tuple_

from service.calls.models import CallRead
from service.calls.windows import LAG
from service.db import Database
from service.kit.clock import rfc3339, utc_now
from service.kit.pagination import COUNTED, Cursors, total
from service.numbers.models import Number, idle_since_of
from service.prices.pricing import EVER, Asked, NumberCosts, Pricing
from service.tenants.principals import Principal
from service.tenants.visible import Visible

IDLE_SINCE = idle_since_of(Number.__table__)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Idle:
    days: int
    organization_id: str | None = None
    user_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For the cursor."""
        told = {"organization_id": self.organization_id, "user_id": self.user_id}
        return {"list": "idle numbers", "days": self.days, **told}

    def filters(self) -> dict[str, Any]:
        """As the inventory and its bulk changes take them: the same numbers."""
        named = {"organization_id": self.organization_id, "user_id": self.user_id}
        return {"idle_days": self.days, "state": "active"} | {name: one for name, one in named.items() if one}


class Idleness:
    def __init__(self, database: Database, cursors: Cursors, pricing: Pricing) -> None:
        self._database = database
        self._cursors = cursors
        self._pricing = pricing

    async def page(self, caller: Principal, asked: Idle, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """A page of the numbers that are idle for so many days, the longest first, and what is known of all.

        Raises: InvalidRequest for a cursor of another query; NotYourOrganization; NotYourUser.
        """
        if asked.organization_id is not None:
            caller.check_organization(asked.organization_id, whole=False)
        if asked.user_id is not None:
            caller.check_user(asked.user_id)
        now = utc_now()
        held = [Number.state == "active", *Visible.to(caller).conditions(Number.__table__), *_of(asked)]
        idle = [*held, now - asked.days * DAY >= IDLE_SINCE]
        after: list[ColumnElement[bool]] = []
        spent: list[dict[str, Any]] | None = None
        if cursor is not None:
            # The sum of all is reckoned once, and told on each page: it takes longer than a page.
            since, last, *before = self._cursors.open(asked.as_json(), cursor)
            spent = before[0] if before else None
            after = [tuple_(IDLE_SINCE, Number.id) > tuple_(datetime.fromisoformat(since), UUID(last))]
        rows_of = select(Number).where(*idle, *after).order_by(IDLE_SINCE, Number.id).limit(limit + 1)
        counted = select(func.count(), func.count(Number.idle_since)).where(*held)
        spans = select(Number.id, Number.acquired_at, IDLE_SINCE).where(*idle).limit(COUNTED + 1)
        until = select(func.min(CallRead.read_until))
        if asked.organization_id is not None:
            until = until.where(CallRead.organization_id == asked.organization_id)
        await self._pricing.ensure_default()
        async with self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
            rows = (await session.scalars(rows_of)).all()
            active, judged = (await session.execute(counted)).one()
            found = (await session.execute(spans)).all()
            read_until = await session.scalar(until)
            shown = [(row.id, row.acquired_at, row.idle_since) for row in rows[:limit]]
            silent = {one[0]: _silence(*one) for one in (*(found[:COUNTED] if spent is None else ()), *shown)}
            costs = await self._pricing.costs_of(session, [*silent.values()])
        if spent is None:
            spent = self._spent(costs[one.id] for one in found[:COUNTED])
        items = [_item(row, costs[row.id], now) for row in rows[:limit]]
        next_cursor = None
        if len(rows) > limit:
            last_row = rows[limit - 1]
            assert last_row.idle_since is not None
            position = [rfc3339(last_row.idle_since), str(last_row.id), spent]
            next_cursor = self._cursors.seal(asked.as_json(), position)
        return {
            "items": items,
            "next_cursor": next_cursor,
            "total": total(len(found)),
            "judged": {
                "active": active,
                "judged": judged,
                "unknown": active - judged,
                "share": round(judged / active, 4) if active else None,
                "calls_read_until": None if read_until is None else read_until - LAG,
            },
            "spent_on_silence": spent[0] | {"also": spent[1:]},
            "selection": {"filters": asked.filters(), "ids": [one["id"] for one in items]},
        }

    def _spent(self, silent: Iterable[NumberCosts]) -> list[dict[str, Any]]:
        """By currency, the deployment's first."""
        spent = Counter({self._pricing.default_currency: 0})
        for costs in silent:
            spent[costs.currency] += costs.within
        return [{"micros": micros, "currency": currency} for currency, micros in spent.items()]


def _item(number: Number, costs: NumberCosts, now: datetime) -> dict[str, Any]:
    assert number.idle_since is not None
    return {
        "id": number.id,
        "phone_number": number.phone_number,
        "state": number.state,
        "organization_id": number.organization_id,
        "tenant_id": number.tenant_id,
        "user_id": number.user_id,
        "area_code": number.area_code,
        "nickname": number.nickname,
        "acquired_at": number.acquired_at,
        "last_inbound_call_at": number.last_inbound_call_at,
        "last_outbound_call_at": number.last_outbound_call_at,
        "idle_since": number.idle_since,
        "idle_days": (now - number.idle_since) // DAY,
        "spent_on_silence": costs.within,
        "monthly": costs.monthly,
        "currency": costs.currency,
        "next_charge_at": costs.next_charge_at,
    }


def _silence(number_id: UUID, acquired_at: datetime, idle_since: datetime | None) -> Asked:
    """What was due after it fell silent; of one that was never called, all of it."""
    assert idle_since is not None
    return Asked(number_id, EVER if idle_since <= acquired_at else idle_since)


def _of(asked: Idle) -> list[ColumnElement[bool]]:
    found = [Number.organization_id == asked.organization_id] if asked.organization_id is not None else []
    return [*found, Number.user_id == asked.user_id] if asked.user_id is not None else found
