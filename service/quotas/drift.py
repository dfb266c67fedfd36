"""Counters that are what they count: compared with the rows again and again, and put right where they are not.

Every change of a counter is in the transaction that changes the row, so one statement, which sees one moment, finds
them equal. A difference is a bug, ours or of a hand in the database; it is repaired, told, and an alarm.
"""

from typing import Any

import structlog
from sqlalchemy import Row, text

from service.audit.entries import note
from service.db import Database
from service.observability.metrics import ALARMS
from service.quotas.administration import RECOUNT, Scope

BATCH = 1_000
COUNTERS = ("used", "reserved", "ordered", "day_used", "day_reserved", "month_used", "month_reserved", "releases")
# One statement sees one moment, also within the function.
A_BATCH = text(
    "SELECT to_jsonb(q) AS kept, to_jsonb(c) AS counted FROM quotas q, LATERAL counted(q) c"
    " WHERE (q.scope, q.tenant_id, q.organization_id, q.user_id) > (:scope, :tenant_id, :organization_id, :user_id)"
    " ORDER BY q.scope, q.tenant_id, q.organization_id, q.user_id LIMIT :batch"
)
ONE = text(
    "SELECT to_jsonb(q) AS kept, to_jsonb(c) AS counted FROM quotas q, LATERAL counted(q) c"
    " WHERE (q.scope, q.tenant_id, q.organization_id, q.user_id) = (:scope, :tenant_id, :organization_id, :user_id)"
)
LOCKED = text(
    "SELECT FROM quotas q WHERE (q.scope, q.tenant_id, q.organization_id, q.user_id)"
    " = (:scope, :tenant_id, :organization_id, :user_id) FOR UPDATE"
)
log = structlog.get_logger()


class Drift:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Compare every quota's counters with its rows, a batch to a transaction."""
        after = dict.fromkeys(("scope", "tenant_id", "organization_id", "user_id"), "")
        while True:
            async with self._database.acting() as session:
                found = (await session.execute(A_BATCH, {**after, "batch": BATCH})).all()
            for row in found:
                if _drifted(row):
                    await self._repair(_scope(row))
            if len(found) < BATCH:
                return
            after = _scope(found[-1]).key

    async def _repair(self, of: Scope) -> None:
        tenant = of.tenant_id or None
        async with self._database.acting(tenant=tenant) as session:
            # Whoever changes a counter now waits, and adds to what is written here.
            await session.execute(LOCKED, of.key)
            row = (await session.execute(ONE, of.key)).one_or_none()
            if row is None or not (drifted := _drifted(row)):
                return
            await session.execute(RECOUNT, of.key)
            note(
                session,
                actor="worker",
                action="quota.repaired",
                of=(of.scope, of.name),
                tenant=tenant,
                before={counter: row.kept[counter] for counter in drifted},
                after={counter: row.counted[counter] for counter in drifted},
            )
        ALARMS.labels("quota_drift").inc()
        log.error(
            "a quota's counters were not its rows, and are repaired", scope=of.scope, of=of.name, counters=drifted
        )


def _drifted(row: Row[Any]) -> list[str]:
    """The counters that are not what they count."""
    return [name for name in COUNTERS if row.kept[name] != row.counted[name]]


def _scope(row: Row[Any]) -> Scope:
    kept = row.kept
    return Scope(kept["scope"], kept["tenant_id"], kept["organization_id"], kept["user_id"])
