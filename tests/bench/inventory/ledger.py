"""The server that the ledger lies on: embedded, but with the memory that a server of that size is given."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import asyncpg

from service.embedded import EmbeddedPostgres, temporary_data_dir
from service.migrations import migrate
from tests.bench.inventory.data import Wanted, made, make

# Nothing is measured that waits for the disk, and no other work comes between.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "max_parallel_maintenance_workers": "2",
}
# Bytes of a number with its links and indexes, as far as one wants them in memory.
BYTES_A_NUMBER = 400


@asynccontextmanager
async def ledger(wanted: Wanted, keep: Path | None, told: Callable[[str], None]) -> AsyncIterator[str]:
    """A superuser's URL of the filled ledger. `keep`: a folder for it, which the next run finds again.

    Raises: SystemExit where the folder holds another ledger than the one wanted.
    """
    async with AsyncExitStack() as stack:
        if keep is None:
            keep = stack.enter_context(temporary_data_dir())
        postgres = await stack.enter_async_context(EmbeddedPostgres(keep))
        url = postgres.superuser_url()
        connection = await asyncpg.connect(url)
        buffers = max(32, min(4096, wanted.numbers * BYTES_A_NUMBER // 2**20))
        for name, value in {**SETTINGS, "shared_buffers": f"{buffers}MB"}.items():
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await connection.close()
        await postgres.restart()
        kept = await made(url)
        if kept not in (None, asdict(wanted)):
            raise SystemExit(f"{keep} keeps another ledger, of {kept}: name another folder")
        told("migrating" if kept is None else f"found in {keep}; migrating")
        await migrate(url)
        if kept is None:
            await make(url, wanted, told)
        yield url
