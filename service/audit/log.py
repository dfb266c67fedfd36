"""Reading the audit log: page by page, exported whole, and link by link for whoever verifies the chain."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import asyncpg
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.chain import Link, canonical, read
from service.audit.chaining import ENTRY, UNLINKED, escaped, read_progress
from service.audit.models import AuditEntry, AuditLink
from service.db import Database, let_take
from service.kit.clock import rfc3339
from service.kit.errors import Fault, InvalidRequest, StateConflict
from service.kit.pagination import COUNTED, Cursors, total

EXPORTS_AT_ONCE = 2
MOST_EXPORTED = 1 << 30
IN_MEMORY = 4 << 20
PIECE = 1 << 16
PIECE_WITHIN = 300.0
EXPORTED_AT_ONCE = 20_000
LINKS_AT_ONCE = 2000

ITEM = (
    AuditEntry.id, AuditEntry.at, AuditEntry.tenant_id, AuditEntry.actor, AuditEntry.action, AuditEntry.object_kind,
    AuditEntry.object_id, AuditEntry.before, AuditEntry.after, AuditEntry.request_id, AuditLink.seq,
    func.encode(AuditLink.hash, "hex").label("hash"),
)  # fmt: skip
LINE = f"json_build_object('seq', %s, 'previous_hash', %s, 'hash', %s, 'entry', {ENTRY})"
# Not joined: the planner thinks that policies leave few rows, and would go through the whole chain for each.
HASH_BEFORE = """coalesce((SELECT encode(p.hash, 'hex') FROM audit_chain p WHERE p.seq = c.seq - 1),
  CASE c.seq WHEN 1 THEN repeat('0', 64) END)"""
CHAINED = f"""
    SELECT {LINE % ("c.seq", HASH_BEFORE, "encode(c.hash, 'hex')")} FROM audit_chain c
    JOIN audit a ON a.id = c.audit_id WHERE true"""  # noqa: S608 - our own
WAITING = f"SELECT {LINE % ('NULL', 'NULL', 'NULL')} FROM audit a WHERE true"  # noqa: S608
PLACED = "SELECT FROM audit_chain c WHERE c.audit_id = a.id"
# As a CSV of one column whose marks JSON never has: what comes out is the JSON, a line each.
MARKS = ("\x02", "\x01")

LINKS = text(f"""
    SELECT c.seq, c.audit_id, c.hash, CASE WHEN a.id IS NOT NULL THEN CAST({escaped(ENTRY)} AS text) END AS entry
    FROM audit_chain c LEFT JOIN audit a ON a.id = c.audit_id
    WHERE c.seq > :after ORDER BY c.seq LIMIT {LINKS_AT_ONCE}
""")  # noqa: S608
LAST = select(func.coalesce(func.max(AuditLink.seq), 0))
PASSED = """CAST(:done AS text) IS NOT NULL AND (a.xid IS NULL
  OR pg_visible_in_snapshot(CAST(CAST(a.xid AS text) AS xid8), CAST(CAST(:done AS text) AS pg_snapshot)))"""
UNCHAINED = text(f"""
    SELECT count(*) AS waiting, min(a.at) AS since,
      count(*) FILTER (WHERE {PASSED}) AS passed, min(a.id) FILTER (WHERE {PASSED}) AS first_passed
    FROM audit a WHERE {UNLINKED}
""")  # noqa: S608
NO_LIMIT = text("SELECT set_config('statement_timeout', '0', true)")


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; None is no condition. `after` and `before` are times, neither included."""

    actor: str | None = None
    action: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    tenant_id: str | None = None
    request_id: str | None = None
    after: datetime | None = None
    before: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For the cursor: it continues these filters and no others."""
        return {"list": "audit"} | {
            name: rfc3339(value) if isinstance(value, datetime) else value for name, value in asdict(self).items()
        }

    def conditions(self) -> list[ColumnElement[bool]]:
        found = [
            getattr(AuditEntry, name) == value
            for name in ("actor", "action", "object_kind", "object_id", "tenant_id", "request_id")
            if (value := getattr(self, name)) is not None
        ]
        if self.after is not None:
            found.append(AuditEntry.at > self.after)
        if self.before is not None:
            found.append(AuditEntry.at < self.before)
        return found

    def sql(self) -> tuple[str, list[Any]]:
        """The same for the driver, of the table `a`: conditions from $1 on, and their values."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        compared = {"after": "a.at >", "before": "a.at <"}
        conditions = [f"{compared.get(name, f'a.{name} =')} ${place}" for place, name in enumerate(given, 1)]
        return " AND ".join(conditions) or "true", list(given.values())


@dataclass(frozen=True, slots=True)
class Unchained:
    """Rows without a link, and since when. The chain has passed by `passed` of them; `first_passed` is the first."""

    waiting: int
    since: datetime | None
    passed: int
    first_passed: int | None


class AuditLog:
    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors
        self._exports = 0

    async def page(self, filters: Filters, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Newest first. Raises: InvalidRequest for a cursor of other filters."""
        matching = filters.conditions()
        page = select(*ITEM).outerjoin(AuditLink, AuditLink.audit_id == AuditEntry.id).where(*matching)
        if cursor is not None:
            [before] = self._cursors.open(filters.as_json(), cursor)
            page = page.where(AuditEntry.id < before)
        matches = select(AuditEntry.id).where(*matching).limit(COUNTED + 1).subquery()
        async with self._database.acting(duty="admin") as session:
            found = (await session.execute(page.order_by(AuditEntry.id.desc()).limit(limit + 1))).all()
            counted = (await session.scalars(select(func.count()).select_from(matches))).one()
        more = len(found) > limit
        return {
            "items": [dict(row._mapping) for row in found[:limit]],
            "next_cursor": self._cursors.seal(filters.as_json(), [found[limit - 1].id]) if more else None,
            "total": total(counted),
        }

    async def export(self, filters: Filters) -> "Export":
        """Everything that the filters mean, a JSON object a line: what is chained in the order of the chain, then the
        rest. It is whole before anybody reads it, so that nobody's slowness holds a transaction.

        Raises: StateConflict while others are being read; InvalidRequest for more than a gibibyte.
        """
        if self._exports >= EXPORTS_AT_ONCE:
            raise StateConflict(
                f"{EXPORTS_AT_ONCE} exports are being made or read already; ask again when one is done.",
                headers={"Retry-After": "30"},
            )
        self._exports += 1
        export = Export(self._done)
        try:
            async with self._database.acting(duty="admin") as session:
                last = (await session.scalars(LAST)).one()
            for query, values in _pieces(filters, last):
                async with self._database.acting(duty="admin") as session:
                    await let_take(session, PIECE_WITHIN)
                    await _copy(session, export, query, values)
                if export.size > MOST_EXPORTED:
                    told = f"an export holds {MOST_EXPORTED >> 20} MiB; ask for less at a time"
                    raise InvalidRequest(Fault("after", told))
        except BaseException:
            export.close()
            raise
        return export

    def _done(self) -> None:
        self._exports -= 1


class Export:
    """Lines in a temporary file, in memory while they are few; read once."""

    def __init__(self, closed: Callable[[], None]) -> None:
        self.size = 0
        self._closed = closed
        self._file: IO[bytes] | None = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed when it is read

    def write(self, data: bytes) -> None:
        """What is too much is only counted: raising here would leave the connection in the middle of a COPY."""
        assert self._file is not None
        self.size += len(data)
        if self.size <= MOST_EXPORTED:
            self._file.write(data)

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            assert self._file is not None
            self._file.seek(0)
            while piece := await asyncio.to_thread(self._file.read, PIECE):
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._closed()

    def __del__(self) -> None:
        self.close()  # A caller that left before the first piece.


def _pieces(filters: Filters, last: int) -> Iterator[tuple[str, list[Any]]]:
    """Queries that together give every row once, whatever is chained meanwhile: what has its place up to `last` by its
    place, and the rest by its id.
    """
    conditions, values = filters.sql()
    for after in range(0, last, EXPORTED_AT_ONCE):
        until = min(after + EXPORTED_AT_ONCE, last)
        yield f"{CHAINED} AND {conditions} AND c.seq > {after} AND c.seq <= {until} ORDER BY c.seq", values
    yield f"{WAITING} AND {conditions} AND NOT EXISTS ({PLACED} AND c.seq <= {last}) ORDER BY a.id", values


async def _copy(session: AsyncSession, export: Export, query: str, values: list[Any]) -> None:
    connection = (await (await session.connection()).get_raw_connection()).driver_connection
    assert isinstance(connection, asyncpg.Connection)

    async def write(data: bytes) -> None:
        export.write(data)

    await connection.copy_from_query(
        query, *values, output=write, timeout=PIECE_WITHIN, format="csv", delimiter=MARKS[0], quote=MARKS[1]
    )


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncSession]:
    """A transaction that sees the whole log, in the api's role or the worker's, and can write nothing."""
    async with database.acting(duty="admin") as session:
        await session.execute(text("SET TRANSACTION READ ONLY"))
        yield session


async def links(database: Database, *, after: int = 0) -> AsyncIterator[Link]:
    """Every link with its row, in the order of the chain, `after` not included; a page a transaction."""
    while True:
        async with reading(database) as session:
            rows = (await session.execute(LINKS, {"after": after})).all()
        for row in rows:
            entry = None if row.entry is None else canonical(read(row.entry))
            yield Link(row.seq, row.audit_id, row.hash, entry)
        if len(rows) < LINKS_AT_ONCE:
            return
        after = rows[-1].seq


async def last_link(database: Database) -> int:
    async with reading(database) as session:
        return (await session.scalars(LAST)).one()


async def unchained(database: Database) -> Unchained:
    async with reading(database) as session:
        await session.execute(NO_LIMIT)
        progress = await read_progress(session)
        found = (await session.execute(UNCHAINED, {"done": progress.done})).one()
    return Unchained(found.waiting, found.since, found.passed, found.first_passed)
