"""Chaining the audit log, by the worker, after the transactions that wrote it have ended.

Rows are chained in the order of commit, as exactly as Postgres tells it. The worker keeps a snapshot (`done`), of which
every row is chained; what is visible now and was not in it has committed since, and comes next, by transaction and id.
So a transaction that lasts holds up nothing but itself, a row that it commits later is chained later, and none is
missed or chained twice, whoever dies meanwhile. A pass over more rows than a batch holds ends where its own snapshot
(`doing`) becomes `done`; until then the place in it is kept.

Snapshots are a cluster's own. Where its identifier is not the one of `done`, as after a restore into another cluster,
and before the first pass of all, every row without a link is chained by its id.

One worker at a time holds the chain, by an advisory lock; the others have nothing to do. Links and progress are
committed together.
"""

from dataclasses import dataclass
from time import monotonic
from typing import Any

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.chain import GENESIS, canonical, link_hash, read
from service.db import Database
from service.observability.metrics import AUDIT_HEAD, AUDIT_LAG, AUDIT_WAITING

BATCH = 500
# A head a moment would fill the log; what is written between two is told by the second.
HEADS_EVERY = 10.0
MOST_COUNTED = 100_000

# A row as JSON, of which `service.audit.chain` makes the canonical form.
ENTRY = """json_build_object('id', a.id, 'at', to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'tenant_id', a.tenant_id, 'actor', a.actor, 'action', a.action, 'object_kind', a.object_kind,
  'object_id', a.object_id, 'before', a.before, 'after', a.after, 'request_id', a.request_id)"""
UNLINKED = "NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit_id = a.id)"
COMMITTED_SINCE = """a.xid >= :from_xid AND a.xid < :beyond
  AND NOT pg_visible_in_snapshot(CAST(CAST(a.xid AS text) AS xid8), CAST(CAST(:done AS text) AS pg_snapshot))"""

LOCK = text("SELECT pg_try_advisory_xact_lock(hashtext('numbergate audit chain'))")
PROGRESS = text("""
    SELECT c.system_identifier AS system_id, CAST(pg_current_snapshot() AS text) AS now, p.system_id AS known,
           p.done, p.doing, p.at_xid, p.at_id
    FROM pg_control_system() c LEFT JOIN audit_progress p ON true
""")
KEEP = text("""
    INSERT INTO audit_progress (one, system_id, done, doing, at_xid, at_id)
    VALUES (true, :system_id, :done, :doing, :at_xid, :at_id)
    ON CONFLICT (one) DO UPDATE SET system_id = excluded.system_id, done = excluded.done, doing = excluded.doing,
      at_xid = excluded.at_xid, at_id = excluded.at_id
""")


def escaped(sql: str) -> str:
    """For `text`, which would take the colons of a format for parameters."""
    return sql.replace(":", "\\:")


# Both of our own making.
NEXT = text(f"""
    SELECT a.id, a.xid, CAST({escaped(ENTRY)} AS text) AS entry FROM audit a
    WHERE {COMMITTED_SINCE} AND (a.xid, a.id) > (:at_xid, :at_id) AND {UNLINKED}
    ORDER BY a.xid, a.id LIMIT :most
""")  # noqa: S608
NEXT_BY_ID = text(f"""
    SELECT a.id, a.xid, CAST({escaped(ENTRY)} AS text) AS entry FROM audit a
    WHERE a.id > :at_id AND {UNLINKED} ORDER BY a.id LIMIT :most
""")  # noqa: S608
WAITING = f"""
    SELECT count(*) AS rows, coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)\\:\\:float8 AS seconds
    FROM (SELECT a.at FROM audit a WHERE %s AND {UNLINKED} LIMIT {MOST_COUNTED}) waiting
"""  # noqa: S608
COUNT = text(WAITING % COMMITTED_SINCE)
COUNT_BY_ID = text(WAITING % "a.id > :at_id")
HEAD = text("SELECT seq, hash FROM audit_chain ORDER BY seq DESC LIMIT 1")
LINK = text("""
    INSERT INTO audit_chain (seq, audit_id, hash)
    SELECT * FROM unnest(CAST(:seqs AS bigint[]), CAST(:ids AS bigint[]), CAST(:hashes AS bytea[]))
""")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Progress:
    """`done`: of this snapshot every row is chained; None while rows are chained by id. `doing`: of the pass under way,
    which has come to (`at_xid`, `at_id`). `now`: the snapshot it was read in.
    """

    system_id: int
    now: str
    done: str | None
    doing: str | None
    at_xid: int
    at_id: int

    @property
    def from_xid(self) -> int:
        """Every transaction before this one had ended."""
        return 0 if self.done is None else int(self.done.split(":")[0])

    @property
    def beyond(self) -> int:
        """No transaction from this one on had ended."""
        return int((self.doing or self.now).split(":")[1])


async def read_progress(session: AsyncSession) -> Progress:
    found = (await session.execute(PROGRESS)).one()
    if found.known != found.system_id:
        return Progress(found.system_id, found.now, None, None, 0, 0)
    return Progress(found.system_id, found.now, found.done, found.doing, found.at_xid, found.at_id)


class Chaining:
    def __init__(self, database: Database, *, batch: int = BATCH) -> None:
        self._database = database
        self._batch = batch
        self._told_at = -HEADS_EVERY
        self._told = 0

    async def chain(self) -> bool:
        """Chain the next rows, a batch at most. Returns whether there may be more at once."""
        async with self._database.acting() as session:
            if not await session.scalar(LOCK):
                return False
            progress = await read_progress(session)
            rows = await self._next(session, progress)
            head = (await session.execute(HEAD)).one_or_none()
            seq, digest = (head.seq, head.hash) if head is not None else (0, GENESIS)
            hashes = []
            for row in rows:
                digest = link_hash(digest, canonical(read(row.entry)))
                hashes.append(digest)
            if rows:
                links = {
                    "seqs": list(range(seq + 1, seq + len(rows) + 1)),
                    "ids": [row.id for row in rows],
                    "hashes": hashes,
                }
                await session.execute(LINK, links)
            # An empty pass is not kept: the snapshot of before leads to the same rows.
            if rows or progress.doing is not None or progress.done is None:
                await self._keep(session, progress, rows)
        self._tell(seq + len(rows), digest)
        return len(rows) == self._batch

    async def _next(self, session: AsyncSession, progress: Progress) -> list[Any]:
        values: dict[str, Any] = {"at_id": progress.at_id, "most": self._batch}
        if progress.done is None:
            return list((await session.execute(NEXT_BY_ID, values)).all())
        values |= {
            "done": progress.done, "from_xid": progress.from_xid, "beyond": progress.beyond, "at_xid": progress.at_xid
        }  # fmt: skip
        return list((await session.execute(NEXT, values)).all())

    async def _keep(self, session: AsyncSession, progress: Progress, rows: list[Any]) -> None:
        doing = progress.doing or progress.now
        if len(rows) < self._batch:
            kept = {"done": doing, "doing": None, "at_xid": 0, "at_id": 0}
        else:
            kept = {"done": progress.done, "doing": doing, "at_xid": rows[-1].xid or 0, "at_id": rows[-1].id}
        await session.execute(KEEP, {"system_id": progress.system_id, **kept})

    def _tell(self, seq: int, digest: bytes) -> None:
        """The head goes to the log: kept outside the database, it shows what was written anew or cut off."""
        AUDIT_HEAD.set(seq)
        if seq > self._told and monotonic() - self._told_at >= HEADS_EVERY:
            self._told, self._told_at = seq, monotonic()
            log.info("audit head", seq=seq, hash=digest.hex())

    async def measure(self) -> None:
        """How many rows wait, a hundred thousand are counted at most; and since when the oldest of these does."""
        async with self._database.acting() as session:
            progress = await read_progress(session)
            if progress.done is None:
                counted = await session.execute(COUNT_BY_ID, {"at_id": progress.at_id})
            else:
                values = {"done": progress.done, "from_xid": progress.from_xid, "beyond": progress.beyond}
                counted = await session.execute(COUNT, values)
            found = counted.one()
        AUDIT_WAITING.set(found.rows)
        AUDIT_LAG.set(max(0.0, found.seconds))
