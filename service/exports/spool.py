"""Where an export is written before anybody reads it: in memory while it is small, then in a file without a name.

Whatever ends the process, a file without a name is gone with it.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from service.exports.errors import ExportStorageFull
from service.kit.errors import ServiceError

IN_MEMORY = 4 << 20
# What is handed to another thread at once: a disk that is slow must hold up nobody else.
BATCH = 1 << 20
PIECE = 1 << 18
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """`most`: bytes it may hold; beyond them it raises what `too_large` makes."""

    def __init__(self, most: int, too_large: Callable[[], ServiceError]) -> None:
        self.size = 0
        self._most, self._too_large = most, too_large
        self._batch = bytearray()
        self._file: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed when it is read

    async def write(self, data: bytes) -> None:
        """Raises: ExportStorageFull; what `too_large` makes."""
        self.size += len(data)
        if self.size > self._most:
            raise self._too_large()
        self._batch += data
        if len(self._batch) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Raises: ExportStorageFull."""
        batch, self._batch = self._batch, bytearray()
        await asyncio.to_thread(self._write, batch)

    def _write(self, batch: bytearray) -> None:
        with room_on_disk():
            self._file.write(batch)
            self._file.flush()

    def descriptor(self) -> int:
        """Of the file itself, from its beginning. Raises: ExportStorageFull."""
        with room_on_disk():
            found = self._file.fileno()
        self._file.seek(0)
        return found

    def measure(self) -> None:
        """Somebody else wrote to the file. Raises: what `too_large` makes."""
        self.size = self._file.seek(0, 2)
        if self.size > self._most:
            raise self._too_large()

    async def pieces(self) -> AsyncIterator[bytes]:
        """All of it, from the beginning; it can be read again."""
        place = 0
        while piece := await asyncio.to_thread(self._read, place):
            place += len(piece)
            yield piece

    def _read(self, place: int) -> bytes:
        self._file.seek(place)
        return self._file.read(PIECE)

    def empty(self) -> None:
        """Begin anew."""
        self.size = 0
        self._batch.clear()
        self._file.seek(0)
        self._file.truncate()

    def close(self) -> None:
        self._batch.clear()
        self._file.close()


@contextmanager
def room_on_disk() -> Iterator[None]:
    """Raises: ExportStorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise ExportStorageFull from None  # With its cause it would pass for trouble with Postgres.
        raise
