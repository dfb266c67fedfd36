"""What is kept for thirty days and no longer: what doubts were decided on, and the log of listings."""

from sqlalchemy import CursorResult, text

from service.db import Database

BATCH = 1_000
GROUNDS = """
    DELETE FROM decided_on WHERE (intent_id, kind) IN (
      SELECT intent_id, kind FROM decided_on WHERE at < clock_timestamp() - interval '30 days'
      ORDER BY at LIMIT :batch
    )
"""
# The newest that can be trusted stays: what a purchase brought is told by comparison with it.
LISTINGS = """
    DELETE FROM listings WHERE id IN (
      SELECT l.id FROM listings l WHERE l.ended_at < clock_timestamp() - interval '30 days'
        AND l.id IS DISTINCT FROM (
          SELECT k.id FROM listings k WHERE k.account_id = l.account_id AND k.organization_id = l.organization_id
            AND k.complete AND k.trustworthy ORDER BY k.began_at DESC, k.id DESC LIMIT 1
        )
      ORDER BY l.id LIMIT :batch
    )
"""


class Pruning:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Delete what is older, a batch to a transaction, so that nobody waits for long."""
        for statement in (GROUNDS, LISTINGS):
            while await self._delete(statement) == BATCH:
                continue

    async def _delete(self, statement: str) -> int:
        """Returns how many rows."""
        async with self._database.acting() as session:
            deleted = await session.execute(text(statement), {"batch": BATCH})
            assert isinstance(deleted, CursorResult)
            return deleted.rowcount
