"""When and from where each key was last used: kept here as it happens, told to Postgres every few seconds.

What a process that was killed had not told is lost; a key that goes on being used is told of again.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.db import Database
from service.kit.clock import utc_now
from service.kit.errors import StorageUnavailable
from service.kit.networks import Address

EVERY = 5.0
WRITE = text("SELECT keys_used(:ids, :moments, :addresses)")


class KeyUses:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._untold: dict[UUID, tuple[datetime, Address | None]] = {}

    def note(self, key_id: UUID, address: Address | None) -> None:
        self._untold[key_id] = utc_now(), address

    async def tell(self) -> None:
        """Raises: StorageUnavailable; what could not be told is kept."""
        telling, self._untold = self._untold, {}
        if not telling:
            return
        moments, addresses = zip(*telling.values(), strict=True)
        values = {
            "ids": list(telling),
            "moments": list(moments),
            "addresses": [None if one is None else str(one) for one in addresses],
        }
        try:
            async with self._database.acting() as session:
                await session.execute(WRITE, values)
        except BaseException:
            self._untold = telling | self._untold
            raise

    async def run(self) -> None:
        """Tell until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(EVERY)
                await self._try_to_tell()
        finally:
            await self._try_to_tell()

    async def _try_to_tell(self) -> None:
        with suppress(StorageUnavailable, SQLAlchemyError):
            await self.tell()
