"""What is kept for a while and no longer: what doubts were decided on, listings, settled drift, idempotency keys,
sessions, logins, and when rows that are gone were shown.
"""

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
# What became of it is in the number's history; of a number that was given back nothing is to be decided.
DRIFT = """
    DELETE FROM drifts WHERE id IN (
      (SELECT id FROM drifts WHERE state = 'settled' AND settled_at < clock_timestamp() - interval '30 days'
       ORDER BY settled_at LIMIT :batch)
      UNION ALL
      (SELECT d.id FROM drifts d JOIN numbers n ON n.id = d.number_id AND n.state = 'released'
       WHERE d.state <> 'settled' LIMIT :batch)
    )
"""

# A key that has bought may buy anew once it is forgotten: no open intent may have it any more. What its mark names from
# then on is the purchase that came last.
KEYS = """
    WITH old AS (
      SELECT tenant_id, scope, key, intent_id FROM idempotency_keys WHERE expires_at < clock_timestamp()
      ORDER BY expires_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ), forgotten AS (
      UPDATE intents i SET idempotency_key = NULL FROM old WHERE i.id = old.intent_id
    )
    DELETE FROM idempotency_keys k USING old WHERE (k.tenant_id, k.scope, k.key) = (old.tenant_id, old.scope, old.key)
"""
# Of a refused intent whose key has tried again since, only the intent forgets it.
REFUSED_KEYS = """
    WITH old AS (
      SELECT id, tenant_id, idempotency_key FROM intents
      WHERE state = 'refused' AND idempotency_key IS NOT NULL AND decided_at < clock_timestamp() - interval '30 days'
      ORDER BY decided_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ), forgotten AS (
      DELETE FROM idempotency_keys k USING old
      WHERE k.tenant_id = old.tenant_id AND k.scope = 'create' AND k.key = old.idempotency_key AND k.intent_id = old.id
    )
    UPDATE intents i SET idempotency_key = NULL FROM old WHERE i.id = old.id
"""
SESSIONS = """
    DELETE FROM sessions WHERE id IN (
      SELECT id FROM sessions WHERE expires_at < clock_timestamp() - interval '30 days' ORDER BY expires_at LIMIT :batch
    )
"""
# A day beyond what they say themselves, whatever the clock of the process was that wrote it.
LOGINS = """
    DELETE FROM answered_logins WHERE hash IN (
      SELECT hash FROM answered_logins WHERE expires_at < clock_timestamp() - interval '1 day'
      ORDER BY expires_at LIMIT :batch
    )
"""
# For as long as a supplier's charge may be disputed.
POSSESSION = """
    DELETE FROM possession WHERE (account_id, row_id, shown_from) IN (
      SELECT account_id, row_id, shown_from FROM possession WHERE gone_at < clock_timestamp() - interval '3 years'
      ORDER BY gone_at LIMIT :batch
    )
"""


class Pruning:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Delete what is older, a batch to a transaction, so that nobody waits for long."""
        for statement in (GROUNDS, LISTINGS, DRIFT, KEYS, REFUSED_KEYS, SESSIONS, LOGINS, POSSESSION):
            while await self._delete(statement) >= BATCH:
                continue

    async def _delete(self, statement: str) -> int:
        """Returns how many rows."""
        async with self._database.acting() as session:
            deleted = await session.execute(text(statement), {"batch": BATCH})
            assert isinstance(deleted, CursorResult)
            return deleted.rowcount
