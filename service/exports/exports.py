"""The whole result of a query, written down before anybody reads it.

A COPY is as fast as Postgres can be, and holds a transaction and a connection for as long. So it never waits for the
caller: it goes into a file first, the transaction ends, and the file is sent. Those who make one are few at a time, on
connections of their own, so that exports take nothing from purchases but the disk.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database, WrongRole, let_take
from service.exports.errors import ExportsBusy
from service.exports.formats import PARQUET, Copy, Format, Query, copy_of
from service.exports.parquet import Conversion
from service.exports.replica import AWAY, Replica, Unfit
from service.exports.spool import Spool
from service.kit.clock import utc_now
from service.kit.errors import Fault, InvalidRequest
from service.observability.metrics import ALARMS, EXPORT_ROWS, EXPORT_SECONDS, EXPORTS, EXPORTS_HELD, REPLICA_UNUSED

MADE_AT_ONCE = 2
# Files that are made or read: of all callers, and of one.
MOST_HELD = 8
MOST_HELD_BY_ONE = 3
TURN_WITHIN = 10.0
# A conversion that was only about to begin does not hear that it is to stop.
STOPPED_WITHIN = 0.1
log = structlog.get_logger(__name__)

Acting = Callable[[Database], AbstractAsyncContextManager[AsyncSession]]


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """Of one export: seconds that its COPY may take, and bytes that it may have."""

    within: float
    most: int


class Export:
    """Rows that were written down, to be read once or more. `age`: seconds that they are behind the primary, at most.

    Whoever has it closes it.
    """

    def __init__(self, name: str, wanted: Format, spool: Spool, release: Callable[[], None]) -> None:
        self.name, self.format, self.spool = name, wanted, spool
        self.rows, self.age, self.made_at = 0, 0.0, utc_now()
        self._release: Callable[[], None] | None = release

    def close(self) -> None:
        """Gives file and place back; once is enough."""
        if self._release is not None:
            release, self._release = self._release, None
            self.spool.close()
            release()

    def __del__(self) -> None:
        self.close()  # Whoever was to read it left before it was handed over.


class Exports:
    """`primary`: a pool in the role of the process, whose statements may take as long as an export; MADE_AT_ONCE of its
    connections, and one more for whatever else takes long. `replica`: is asked first.
    """

    def __init__(self, primary: Database, limits: ExportLimits, replica: Replica | None = None) -> None:
        self.primary, self._replica, self._limits = primary, replica, limits
        self._turns = asyncio.Semaphore(MADE_AT_ONCE)
        self._held: Counter[str] = Counter()

    async def make(self, query: Query, wanted: Format, *, whose: str, acting: Acting) -> Export:
        """All rows of the query, as `acting` sees them at one moment. `whose`: of whom MOST_HELD_BY_ONE are held.

        Raises: ExportsBusy, ExportStorageFull, StorageUnavailable; InvalidRequest for what is too large, or takes too
            long.
        """
        began = perf_counter()
        outcome = "failed"
        export = self._begin(query.name, wanted, whose)
        try:
            async with self._turn():
                await self._fill(export, query, acting)
            outcome = "made"
        except BaseException as error:
            outcome = _outcome_of(error)
            export.close()
            raise
        finally:
            EXPORTS.labels(query.name, wanted.name, outcome).inc()
        seconds = perf_counter() - began
        EXPORT_SECONDS.labels(wanted.name).observe(seconds)
        EXPORT_ROWS.labels(query.name).inc(export.rows)
        log.info(
            "export made", export=query.name, format=wanted.name, rows=export.rows, bytes=export.spool.size,
            seconds=round(seconds, 3), age=round(export.age, 3),
        )  # fmt: skip
        return export

    def _begin(self, name: str, wanted: Format, whose: str) -> Export:
        """Raises: ExportsBusy."""
        if self._held[whose] >= MOST_HELD_BY_ONE:
            told = f"{MOST_HELD_BY_ONE} exports of yours are under way already. Read or leave one; then ask again."
            raise ExportsBusy(told, seconds=30)
        if self._held.total() >= MOST_HELD:
            raise ExportsBusy(f"{MOST_HELD} exports are being made or read already; ask again later.", seconds=30)
        self._held[whose] += 1
        EXPORTS_HELD.inc()
        return Export(name, wanted, self._spool(), partial(self._end, whose))

    def _end(self, whose: str) -> None:
        self._held[whose] -= 1
        if not self._held[whose]:
            del self._held[whose]
        EXPORTS_HELD.dec()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """First come, first served. Raises: ExportsBusy."""
        try:
            async with asyncio.timeout(TURN_WITHIN):
                await self._turns.acquire()
        except TimeoutError:
            told = (
                f"{MADE_AT_ONCE} exports are being made, and this one waited {TURN_WITHIN:g} seconds; ask again later."
            )
            raise ExportsBusy(told, seconds=15) from None
        try:
            yield
        finally:
            self._turns.release()

    async def _fill(self, export: Export, query: Query, acting: Acting) -> None:
        copy = copy_of(query, export.format)
        if export.format is not PARQUET:
            export.rows, export.age = await self._copy_from_either(copy, export.spool, acting)
            return
        raw = self._spool()
        try:
            export.rows, export.age = await self._copy_from_either(copy, raw, acting)
            await self._convert(query, raw, export.spool)
        finally:
            raw.close()

    async def _copy_from_either(self, copy: Copy, spool: Spool, acting: Acting) -> tuple[int, float]:
        """How many rows, and their age. The primary has whatever the replica is not fit for."""
        if self._replica is not None:
            try:
                age = await self._replica.age()
                return await self._copy(self._replica.database, copy, spool, acting), age
            except (Unfit, WrongRole, *AWAY) as error:
                if isinstance(error, WrongRole):
                    ALARMS.labels("wrong_replica").inc()
                REPLICA_UNUSED.inc()
                log.warning("replica not used", why=str(error) or type(error).__name__)
                spool.empty()
        return await self._copy(self.primary, copy, spool, acting), 0.0

    async def _copy(self, database: Database, copy: Copy, spool: Spool, acting: Acting) -> int:
        compiled = copy.statement.compile(dialect=database.engine.dialect, compile_kwargs={"render_postcompile": True})
        values = [compiled.params[name] for name in getattr(compiled, "positiontup", None) or ()]
        within = self._limits.within
        async with acting(database) as session:
            await let_take(session, within)
            connection = await session.connection()
            driver = (await connection.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
            try:
                # Postgres tells first when it took too long.
                status = await driver.copy_from_query(
                    str(compiled), *values, output=spool.write, timeout=within + 5, **copy.options
                )
            except asyncpg.QueryCanceledError:
                raise _too_long(within) from None
            except BaseException:
                await connection.invalidate()  # It is in the middle of a COPY.
                raise
        await spool.flush()
        return int(status.split()[-1])

    async def _convert(self, query: Query, raw: Spool, into: Spool) -> None:
        conversion = Conversion()
        running = asyncio.ensure_future(
            asyncio.to_thread(conversion.run, query.columns, raw.descriptor(), into.descriptor())
        )
        running.add_done_callback(lambda done: done.exception())  # Nobody hears of it who was cancelled.
        try:
            async with asyncio.timeout(self._limits.within):
                await asyncio.shield(running)
        except TimeoutError:
            raise _too_long(self._limits.within) from None
        finally:
            # The files are closed after this, and the thread would go on with whatever is opened next.
            while not running.done():
                conversion.stop()
                await asyncio.wait({running}, timeout=STOPPED_WITHIN)
        into.measure()

    def _spool(self) -> Spool:
        return Spool(self._limits.most, partial(_too_large, self._limits.most))


def _too_large(most: int) -> InvalidRequest:
    return _too_much(f"an export holds {most >> 20} MiB")


def _too_long(within: float) -> InvalidRequest:
    return _too_much(f"an export takes {within:g} seconds")


def _too_much(limit: str) -> InvalidRequest:
    return InvalidRequest(Fault("", f"asks for more than that: {limit} at most; use filters, and export in parts"))


def _outcome_of(error: BaseException) -> str:
    return {ExportsBusy: "busy", InvalidRequest: "too_much", asyncio.CancelledError: "left"}.get(type(error), "failed")
