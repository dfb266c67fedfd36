"""The version row: one number that moves whenever keys, grants, policies, stops or account modes change."""

import asyncio
import time
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.kit.errors import StorageUnavailable

EVERY = 0.5
STALE_AFTER = 1.0


class VersionWatch:
    """Looks twice a second. `fresh` says whether the last look is less than a second old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looked = -STALE_AFTER
        self.revision = 0

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self._looked < STALE_AFTER

    async def look(self) -> None:
        """Raises: StorageUnavailable."""
        began = time.monotonic()
        self.revision = await self._database.revision()
        # Counted from before the question was asked: what changed since may be missing from the answer.
        self._looked = began

    async def run(self) -> None:
        """Look until cancelled; a failure shows as not fresh."""
        while True:
            with suppress(StorageUnavailable):
                await self.look()
            await asyncio.sleep(EVERY)


async def bump(session: AsyncSession) -> None:
    """Call in the transaction of any change that other replicas must know of at once."""
    await session.execute(text("UPDATE version SET revision = revision + 1, updated_at = clock_timestamp()"))
