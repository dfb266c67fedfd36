"""The operator's list of idempotency keys: whose each is, what it names, and until when."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Uuid, case, cast, func, literal, select, tuple_

from service.db import Database
from service.idempotency.keys import KEPT_WITHOUT_NUMBER
from service.idempotency.models import IdempotencyKey
from service.kit.pagination import COUNTED, Cursors, total
from service.numbers.follow_ups import STEP_STATES
from service.numbers.models import Intent, Number, Step
from service.numbers.purchases import OPERATION_STATES
from service.tenants.principals import Principal

# As its operation tells it; a key that names an answer itself names no operation that could fail.
STATE = case(
    (IdempotencyKey.intent_id.is_not(None), case(OPERATION_STATES, value=Intent.state)),
    (IdempotencyKey.step_id.is_not(None), case(STEP_STATES, value=Step.state, else_="pending")),
    else_="succeeded",
)
EXPIRES_AT = func.coalesce(
    IdempotencyKey.expires_at, case((Intent.state == "refused", Intent.decided_at + literal(KEPT_WITHOUT_NUMBER)))
)
NUMBER_ID = func.coalesce(Intent.number_id, Step.number_id, cast(IdempotencyKey.answer["number_id"].astext, Uuid))
POSITION = (IdempotencyKey.created_at, IdempotencyKey.tenant_id, IdempotencyKey.scope, IdempotencyKey.key)


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for, each exactly; None is no condition."""

    tenant_id: str | None = None
    key: str | None = None
    scope: str | None = None
    state: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        asked = (
            (IdempotencyKey.tenant_id, self.tenant_id),
            (IdempotencyKey.key, self.key),
            (IdempotencyKey.scope, self.scope),
            (STATE, self.state),
        )
        return [column == value for column, value in asked if value is not None]


class KeyListing:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    async def page(self, caller: Principal, filters: Filters, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """One page, newest first, and the cursor that continues it.

        Raises: InvalidRequest for a cursor of other filters.
        """
        query = {"list": "idempotency keys"} | asdict(filters)
        of_each = (
            select(IdempotencyKey)
            .outerjoin(Intent, Intent.id == IdempotencyKey.intent_id)
            .outerjoin(Step, Step.id == IdempotencyKey.step_id)
            .where(*filters.conditions())
        )
        page = (
            of_each.outerjoin(Number, Number.id == NUMBER_ID)
            .add_columns(STATE.label("state"), EXPIRES_AT.label("expires_at"), Number.phone_number)
            .order_by(*(column.desc() for column in POSITION))
            .limit(limit + 1)
        )
        if cursor is not None:
            moment, *names = self._cursors.open(query, cursor)
            page = page.where(tuple_(*POSITION) < tuple_(datetime.fromisoformat(moment), *names))
        matches = of_each.with_only_columns(literal(1)).limit(COUNTED + 1).subquery()
        async with self._database.acting(duty="operator", sees=caller.sees) as session:
            rows = (await session.execute(page)).all()
            counted = (await session.scalars(select(func.count()).select_from(matches))).one()
        next_cursor = None
        if len(rows) > limit:
            last = rows[limit - 1][0]
            next_cursor = self._cursors.seal(query, [last.created_at.isoformat(), last.tenant_id, last.scope, last.key])
        return {
            "items": [_item(row[0], row.state, row.expires_at, row.phone_number) for row in rows[:limit]],
            "next_cursor": next_cursor,
            "total": total(counted),
        }


def _item(one: IdempotencyKey, state: str, expires_at: datetime | None, phone_number: str | None) -> dict[str, Any]:
    of_staff = one.tenant_id.startswith("@")
    return {
        "tenant_id": None if of_staff else one.tenant_id,
        "actor": one.tenant_id[1:] if of_staff else None,
        "scope": one.scope,
        "key": one.key,
        "created_at": one.created_at,
        "expires_at": expires_at,
        "operation_id": one.intent_id or one.step_id,
        "state": state,
        "fingerprint": one.fingerprint.hex()[:16],
        "phone_number": phone_number,
    }
