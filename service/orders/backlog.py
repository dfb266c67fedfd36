"""For how long what is due has waited for a worker: what they are scaled by."""

from sqlalchemy import text

from service.db import Database
from service.observability.metrics import QUEUE_AGE

# An order that gets its turns waits no longer than since the last of them, however many items it still has. What waits
# for another purchase of its user, or to be tried again later, waits for no worker.
ORDERS = """
    SELECT max(clock_timestamp() - greatest(o.applied_at, o.turned_at, i.due_at)) FROM orders o
    CROSS JOIN LATERAL (
      SELECT due_at FROM order_items WHERE order_id = o.id AND outcome = 'waiting' AND counted_at IS NOT NULL
        AND due_at <= clock_timestamp() AND busy_since IS NULL
        AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
      ORDER BY seq LIMIT 1
    ) i
    WHERE o.kind = 'buy' AND o.state IN ('pending', 'running')
"""
# One whose lease is over was lost with its worker.
FOLLOW_UPS = """
    SELECT clock_timestamp() - min(due_at) FROM steps s
    WHERE (state = 'waiting' OR (state = 'running' AND lease_until < clock_timestamp())) AND due_at <= clock_timestamp()
      AND NOT EXISTS (SELECT FROM steps r WHERE r.number_id = s.number_id AND r.state = 'running' AND r.id <> s.id)
"""
WEBHOOKS = """
    SELECT clock_timestamp() - min(due_at) FROM webhook_endpoints
    WHERE due_at <= clock_timestamp() AND state = 'active'
      AND (leased_until IS NULL OR leased_until < clock_timestamp())
"""
QUEUES = {"orders": ORDERS, "follow_ups": FOLLOW_UPS, "webhooks": WEBHOOKS}
AGES = text("SELECT " + ", ".join(f"extract(epoch FROM ({query}))" for query in QUEUES.values()))  # noqa: S608


class Backlog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def measure(self) -> None:
        """Raises: StorageUnavailable."""
        async with self._database.acting() as session:
            ages = (await session.execute(AGES)).one()
        for queue, age in zip(QUEUES, ages, strict=True):
            QUEUE_AGE.labels(queue).set(max(0.0, float(age or 0)))
