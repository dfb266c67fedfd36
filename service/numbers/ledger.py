"""Intents in Postgres: each method is one transaction, and the hot ones are one statement of it.

The seam between what a purchase decides and where it is kept: `Sending`, `Provisioning` and the resolver speak to
nothing below it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from sqlalchemy import text

from service.db import Database, storage_trouble
from service.kit.errors import StorageUnavailable
from service.kit.types import TenantId
from service.observability.metrics import ADMISSIONS, ALARMS
from service.quotas.counting import tell_shadow
from service.quotas.errors import refusal_of
from service.teli.client import SendBy

SEND_WITHIN = 1.0
log = structlog.get_logger()


def ring(settled: Mapping[str, Any], intent_id: str) -> None:
    """Say that money may have been spent on what no purchase owns, where the function `settle` tells of it."""
    if settled["reason"] == "late_proof" or settled.get("proof_kept"):
        ALARMS.labels("late_proof").inc()
        log.error("a purchase its intent does not own", intent=intent_id)


class NoSuchIntent(Exception):
    """The ledger holds no such intent: it was never admitted, or lost with a copy that lagged."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What the database said. `send_by` counts from before it was asked, for it read the money stop then."""

    outcome: str
    said: dict[str, Any]
    send_by: SendBy


@dataclass(frozen=True, slots=True)
class LostSale:
    """A number that was bought for an intent the ledger does not know."""

    account_id: UUID | None
    organization_id: str
    user_id: str
    area_code: str
    phone_number: str
    nickname: str
    intent_id: UUID


class Ledger:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def admit(self, ask: dict[str, Any]) -> Admission:
        """The function `admit` of the database, asked again where somebody else was quicker.

        Raises: QuotaExceeded; RateLimited; StorageUnavailable when nothing was written; service.db.CommitUnknown when
            an intent may have been written.
        """
        while True:
            try:
                async with self._database.hot() as call:
                    send_by = SendBy.within(SEND_WITHIN)
                    said = await call("admit", ask)
            except asyncpg.UniqueViolationError as error:
                if error.constraint_name not in ("one_send_per_lane", "one_open_intent_per_key"):
                    raise
                continue
            except asyncpg.PostgresError as error:
                if error.sqlstate == "NG002":
                    continue
                if error.sqlstate == "NG001":
                    ADMISSIONS.labels("quota_exceeded").inc()
                    raise refusal_of(orjson.loads(error.detail or "{}")) from None
                if storage_trouble(error):
                    log.warning("admission failed", sqlstate=error.sqlstate, error=str(error)[:200])
                    raise StorageUnavailable from error
                raise
            ADMISSIONS.labels(said["outcome"]).inc()
            tell_shadow(said.get("quota", {}).get("shadow"))
            return Admission(said["outcome"], said, send_by)

    async def settle(self, ask: dict[str, Any]) -> dict[str, Any]:
        """The function `settle` of the database: evidence is kept in every case, a decision where it decides.

        Returns state, moved, reason, answer, as they hold now, and where it decided, the quota's revision.
        Raises: NoSuchIntent; StorageUnavailable when nothing was written; service.db.CommitUnknown;
            asyncpg.PostgresError when it refused, and nothing was written.
        """
        try:
            settled: dict[str, Any] = await self._database.call("settle", ask)
        except asyncpg.NoDataFoundError:
            raise NoSuchIntent from None
        ring(settled, ask["intent_id"])
        return settled

    async def named_by(self, tenant: TenantId, key: str, mark: str = "") -> dict[str, Any] | None:
        """The intent that an idempotency key names: intent_id, state, answer, fingerprint; None where it names none.

        `mark`: of this key. After a restore a purchase may be known by that alone; then there is no fingerprint.
        """
        async with self._database.acting(tenant=tenant) as session:
            row = (
                await session.execute(
                    text(
                        "SELECT k.fingerprint, i.id, i.state, i.answer FROM idempotency_keys k"
                        " JOIN intents i ON i.id = k.intent_id"
                        " WHERE k.tenant_id = :tenant AND k.scope = 'create' AND k.key = :key"
                        " UNION ALL"
                        " SELECT NULL, i.id, i.state, i.answer FROM intents i WHERE i.tenant_id = :tenant"
                        " AND i.mark = :mark AND i.slot = 0 AND i.idempotency_key IS NULL"
                        " LIMIT 1"
                    ),
                    {"tenant": tenant, "key": key, "mark": mark},
                )
            ).one_or_none()
        if row is None:
            return None
        return {"intent_id": str(row.id), "state": row.state, "answer": row.answer, "fingerprint": row.fingerprint}

    async def look(self, tenant: TenantId, intent_id: UUID) -> tuple[str, dict[str, Any] | None]:
        """An intent's state, and its answer where it has one."""
        async with self._database.acting(tenant=tenant) as session:
            row = (
                await session.execute(text("SELECT state, answer FROM intents WHERE id = :id"), {"id": intent_id})
            ).one()
        return row.state, row.answer

    async def undelivered(self, tenant: TenantId, intent_id: UUID) -> None:
        """Whoever asked for it without a key was not told the outcome: an equal request may take it over."""
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(
                text(
                    "UPDATE intents SET undelivered_at = clock_timestamp() WHERE id = :id AND fingerprint IS NOT NULL"
                ),
                {"id": intent_id},
            )

    async def leave_queue(self, tenant: TenantId, intent_id: UUID) -> None:
        """Give up the place in the queue that an admission took."""
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(text("DELETE FROM send_queue WHERE intent_id = :intent"), {"intent": intent_id})

    async def lapse(self, *, limit: int) -> Sequence[UUID]:
        """Sends whose lease is over and whose sender is lost become doubts. Returns these."""
        async with self._database.acting() as session:
            return (await session.execute(text("SELECT lapse_sends(:most)"), {"most": limit})).scalars().all()

    async def keep_lost(self, tenant: TenantId, sale: LostSale) -> None:
        """Keep the proof of a purchase without an intent, as an orphan that names it."""
        async with self._database.acting(tenant=tenant) as session:
            await session.execute(
                text(
                    "INSERT INTO orphans (account_id, tenant_id, organization_id, user_id, area_code, phone_number,"
                    " nickname, intent_id, reason) VALUES (:account, :tenant, :organization, :user, :area_code,"
                    " :number, :nickname, :intent, 'intent_lost')"
                ),
                {
                    "account": sale.account_id,
                    "tenant": tenant,
                    "organization": sale.organization_id,
                    "user": sale.user_id,
                    "area_code": sale.area_code,
                    "number": sale.phone_number,
                    "nickname": sale.nickname,
                    "intent": sale.intent_id,
                },
            )
