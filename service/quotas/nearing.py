"""Limits that are nearly used up: looked for by the worker, and never on the way of a purchase."""

from sqlalchemy import text

from service.db import Database
from service.observability.metrics import QUOTAS_NEAR

# One worker at a time; that a crossing is told once is by a unique key, whoever looks.
LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('numbergate quotas near their limits'))")
WATCH = text("SELECT limit_name, percent FROM watch_quotas(:price)")


class QuotaWatch:
    """`price`: micro-units that a purchase is reckoned at."""

    def __init__(self, database: Database, *, price: int) -> None:
        self._database, self._price = database, price

    async def look(self) -> None:
        """Tell tenants of limits that came to be used to 80 % or in full since the last look."""
        async with self._database.acting() as session:
            if not await session.scalar(LOCK):
                return
            come = (await session.execute(WATCH, {"price": self._price})).all()
        for one in come:
            QUOTAS_NEAR.labels(one.limit_name, str(one.percent)).inc()
