"""Admission: the transaction that lets a purchase be sent, and the wait for a lane or a slot before it.

The wait happens outside any transaction. In one process only the head of each line asks Postgres again, woken as soon
as a purchase here ends; between processes the queue in Postgres keeps the order.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from sqlalchemy import text

from service.db import Database
from service.kit.errors import StorageUnavailable
from service.kit.types import TenantId
from service.numbers.errors import LaneBusy
from service.observability.metrics import ADMISSIONS
from service.quotas.errors import QuotaExceeded
from service.teli.client import SendBy

log = structlog.get_logger()

SEND_WITHIN = 1.0
ASK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class Admission:
    """What the database said. `send_by` counts from before it was asked, for it read the money stop then."""

    outcome: str
    said: dict[str, Any]
    send_by: SendBy


@dataclass(slots=True)
class Line:
    """Those of this process who wait for the same lane, in order; the one holding the lock asks."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0


class Admissions:
    def __init__(self, database: Database, *, wait_at_most: float) -> None:
        self._database = database
        self._wait_at_most = wait_at_most
        self._lines: dict[tuple[str, str], Line] = {}

    async def admit(self, ask: dict[str, Any]) -> Admission:
        """Ask until there is a lane and a slot.

        Raises: QuotaExceeded; LaneBusy when the wait grew too long; StorageUnavailable when nothing was written;
            service.db.CommitUnknown when an intent may have been written: it must not be sent.
        """
        give_up = time.monotonic() + self._wait_at_most
        admission = await self._once(ask)
        if admission.outcome != "busy":
            return admission
        try:
            async with self._standing_in(ask["account_id"], admission.said["queue"], until=give_up) as freed:
                # Never under a timeout: an admission cut off half-way may have been committed.
                while (admission := await self._once(ask)).outcome == "busy" and time.monotonic() < give_up:
                    await freed()
        except TimeoutError:
            pass
        if admission.outcome == "busy":
            await self._step_out(ask["tenant_id"], UUID(ask["intent_id"]))
            ADMISSIONS.labels("lane_busy").inc()
            raise LaneBusy
        return admission

    def freed(self, account: str, user: str) -> None:
        """A purchase of this process has ended: whoever stands next may ask at once."""
        for queue in (user, ""):
            if line := self._lines.get((account, queue)):
                line.freed.set()

    @asynccontextmanager
    async def _standing_in(
        self, account: str, queue: str, *, until: float
    ) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        line = self._lines.setdefault((account, queue), Line())
        line.waiting += 1
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await line.turn.acquire()

            async def freed() -> None:
                try:
                    async with asyncio.timeout(ASK_AGAIN):
                        await line.freed.wait()
                except TimeoutError:
                    pass
                line.freed.clear()

            try:
                yield freed
            finally:
                line.turn.release()
        finally:
            line.waiting -= 1
            if line.waiting == 0:
                self._lines.pop((account, queue), None)

    async def _once(self, ask: dict[str, Any]) -> Admission:
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
                    raise QuotaExceeded(**orjson.loads(error.detail or "{}")) from None
                if error.sqlstate and error.sqlstate[:2] in ("40", "53", "55", "57"):
                    log.warning("admission failed", sqlstate=error.sqlstate, error=str(error)[:200])
                    raise StorageUnavailable from error
                raise
            ADMISSIONS.labels(said["outcome"]).inc()
            return Admission(said["outcome"], said, send_by)

    async def _step_out(self, tenant: str, intent: UUID) -> None:
        try:
            async with self._database.acting(tenant=TenantId(tenant)) as session:
                await session.execute(text("DELETE FROM send_queue WHERE intent_id = :intent"), {"intent": intent})
        except StorageUnavailable:
            return  # The place lapses by itself.
