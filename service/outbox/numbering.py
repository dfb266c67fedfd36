"""Numbering events, by the worker, after the transactions that wrote them have ended.

An id is taken when an event is written, and events are committed in another order: whoever reads on from the last id
that it saw misses what is committed late. So events are told by `seq`, which the worker gives to those that it can see,
and which therefore only grows for whoever reads. What is committed meanwhile comes in a later pass.

Whoever changes a number holds its row while its event takes an id, until it is committed. So of two events of one
number the earlier has the smaller id, and is visible wherever the later one is: by id within a pass, and pass by pass,
they are in order.

One worker at a time numbers, by an advisory lock; the others have nothing to do.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.observability.metrics import EVENTS_LAG, EVENTS_NUMBERED

BATCH = 1_000
LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('numbergate event numbers'))")
NUMBER = text("""
    WITH next AS (
      SELECT id, tenant_id, row_number() OVER (PARTITION BY tenant_id ORDER BY id) AS place
      FROM (SELECT id, tenant_id FROM outbox WHERE seq IS NULL ORDER BY id LIMIT :most) waiting
    ), sizes AS (
      SELECT tenant_id, max(place) AS size FROM next GROUP BY tenant_id
    ), heads AS (
      INSERT INTO event_heads AS h (tenant_id, seq) SELECT tenant_id, size FROM sizes ORDER BY tenant_id
      ON CONFLICT (tenant_id) DO UPDATE SET seq = h.seq + excluded.seq
      RETURNING tenant_id, seq
    )
    UPDATE outbox o SET seq = heads.seq - sizes.size + next.place, event_id = gen_random_uuid(),
      published_at = clock_timestamp()
    FROM next JOIN heads USING (tenant_id) JOIN sizes USING (tenant_id) WHERE o.id = next.id
    RETURNING o.tenant_id
""")
LAG = text("""
    SELECT greatest(0, extract(epoch FROM clock_timestamp() - at))\\:\\:float8 FROM outbox
    WHERE seq IS NULL ORDER BY id LIMIT 1
""")
# Of a tenant all up to the last of those that are too old, so that what is kept has no gap.
OLD = text("""
    SELECT tenant_id, max(seq) AS seq FROM (
      SELECT tenant_id, seq FROM outbox WHERE published_at < clock_timestamp() - CAST(:kept AS interval)
      ORDER BY published_at LIMIT :most
    ) old GROUP BY tenant_id ORDER BY tenant_id
""")
FORGET = text("UPDATE event_heads SET pruned = greatest(pruned, :seq) WHERE tenant_id = :tenant")
PRUNE = text("DELETE FROM outbox WHERE tenant_id = :tenant AND seq <= :seq")
# What is to be done with the tenants of whom there is news, in the transaction that numbers it.
Heard = Callable[[AsyncSession, Collection[str]], Awaitable[None]]


async def nobody(session: AsyncSession, tenants: Collection[str]) -> None:
    """Hears, and does nothing."""


class Numbering:
    """`kept`: how long an event is kept after it was numbered."""

    def __init__(self, database: Database, *, kept: timedelta, heard: Heard = nobody, batch: int = BATCH) -> None:
        self._database = database
        self._kept = kept
        self._heard = heard
        self._batch = batch

    async def number(self) -> bool:
        """Number the next events, a batch at most. Returns whether there were any."""
        async with self._database.acting() as session:
            if not await session.scalar(LOCK):
                return False
            numbered = (await session.scalars(NUMBER, {"most": self._batch})).all()
            if numbered:
                await self._heard(session, sorted(set(numbered)))
        EVENTS_NUMBERED.inc(len(numbered))
        return bool(numbered)

    async def measure(self) -> None:
        async with self._database.acting() as session:
            EVENTS_LAG.set(await session.scalar(LAG) or 0.0)

    async def prune(self) -> None:
        """Forget events that are old enough, a batch to a transaction."""
        while True:
            async with self._database.acting() as session:
                old = (await session.execute(OLD, {"kept": self._kept, "most": self._batch})).all()
                for tenant, seq in old:
                    # First, and locked: who reads from before it is told so, and never reads with a gap.
                    await session.execute(FORGET, {"tenant": tenant, "seq": seq})
                    await session.execute(PRUNE, {"tenant": tenant, "seq": seq})
            if not old:
                return
