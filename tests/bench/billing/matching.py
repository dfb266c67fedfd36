"""An invoice matched by the service, and the same verdicts written by one statement made by hand, and by DuckDB.

The invoice has a line for each charge of the month that was closed, of which one in a hundred is wrong in six ways.
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import duckdb

from service.billing.disputes.work import MatchWork
from service.db import Database

INVOICE = UUID("11111111-1111-4111-8111-111111111111")
FILED = """
DELETE FROM invoice_matches; DELETE FROM invoice_findings; DELETE FROM invoices;
INSERT INTO invoices (id, account_id, supplier, file_name, content_hash, mapping, currency, month, state, size,
    created_by)
  SELECT '{invoice}', id, 'Teli', 'bench.csv', '', '{{}}', 'USD', '{month}', 'ready', 0, 'bench' FROM accounts;
INSERT INTO invoice_lines (invoice_id, place, subscription_id, phone_number, kind, begins, ends, quantity, micros,
    currency, description)
  SELECT '{invoice}', row_number() OVER (ORDER BY n.line_ref, w.again),
    CASE WHEN place % 600 = 100 THEN 'sub_strange_' || place ELSE n.subscription_id END,
    CASE WHEN place % 600 = 100 THEN '+12' || lpad(place::text, 9, '0') ELSE n.phone_number END,
    n.kind, n.begins, n.ends, CASE WHEN place % 600 = 200 THEN 2 ELSE 1 END,
    CASE place % 600 WHEN 200 THEN 2 * n.micros WHEN 300 THEN n.micros + 10000 ELSE n.micros END, 'USD', 'Rent'
  FROM (
    SELECT c.place, md5(c.place::text) AS line_ref, n.subscription_id, n.phone_number, c.begins, c.ends, c.micros,
      CASE c.kind WHEN 'setup' THEN 'setup' ELSE 'rent' END AS kind
    FROM charges c JOIN numbers n ON n.id = c.number_id WHERE c.place % 600 <> 400
  ) n, generate_series(0, CASE WHEN place % 600 = 500 THEN 1 ELSE 0 END) w (again);
INSERT INTO invoice_lines (invoice_id, place, subscription_id, phone_number, kind, begins, ends, quantity, micros,
    currency, description)
  SELECT '{invoice}', (SELECT max(place) FROM invoice_lines) + row_number() OVER (ORDER BY n.id), n.subscription_id,
    n.phone_number, 'rent', DATE '{month}', DATE '{month}' + 30, 1, 2990000, 'USD', 'Rent'
  FROM (SELECT * FROM numbers WHERE state = 'released' AND released_at < DATE '{month}' - 40
        ORDER BY id LIMIT (SELECT count(*) / 600 FROM charges)) n;
ANALYZE invoice_lines, charges;
"""
ASKED = """
TRUNCATE invoice_findings, matched_lines;
INSERT INTO invoice_matches (invoice_id, state, tolerance, asked_by) VALUES ('{invoice}', 'queued', 0, 'bench')
  ON CONFLICT (invoice_id) DO UPDATE SET state = 'queued', tries = 0
"""
# Charges that are written already, lines that name their subscription, and one line a charge: no days to be weighed, no
# recycled numbers, no tolerance, no credits, no parts, and no evidence.
VERDICTS = """
  WITH line AS (
    SELECT l.place, l.kind, l.begins, l.quantity, l.micros, n.id AS number_id, n.released,
           row_number() OVER (PARTITION BY n.id, l.kind, l.begins ORDER BY l.place) AS nth
    FROM invoice_lines l LEFT JOIN held n ON n.subscription_id = l.subscription_id
  ), unit AS (
    SELECT number_id, CASE kind WHEN 'setup' THEN 'setup' ELSE 'rent' END AS kind, begins, sum(micros) AS micros
    FROM charges GROUP BY 1, 2, 3
  ), told AS (
    SELECT l.place, l.number_id, l.micros AS charged, u.micros AS expected,
      CASE WHEN l.number_id IS NULL THEN 'never_ours' WHEN l.nth > 1 THEN 'duplicate'
           WHEN u.micros = l.micros THEN 'matched' WHEN u.micros IS NOT NULL AND l.quantity <> 1 THEN 'quantity_differs'
           WHEN u.micros IS NOT NULL THEN 'price_differs' WHEN l.begins > l.released THEN 'charged_after_release'
           ELSE 'quantity_differs' END AS verdict
    FROM line l LEFT JOIN unit u ON u.number_id = l.number_id AND u.kind = l.kind AND u.begins = l.begins
  )
  SELECT place, verdict, number_id, charged, CASE WHEN verdict = 'duplicate' THEN 0 ELSE coalesce(expected, 0) END
    AS expected
  FROM told
  UNION ALL
  SELECT NULL, 'not_charged', u.number_id, 0, u.micros FROM unit u
  WHERE NOT EXISTS (SELECT 1 FROM line l WHERE l.number_id = u.number_id AND l.kind = u.kind AND l.begins = u.begins)
"""
HELD = "SELECT id, subscription_id, CAST(released_at AT TIME ZONE 'UTC' AS date) AS released FROM numbers"
COPIED = {
    "held": HELD,
    "invoice_lines": "SELECT place, subscription_id, kind, begins, quantity, micros FROM invoice_lines",
    "charges": "SELECT number_id, kind, begins, micros FROM charges",
}
Sums = dict[str, tuple[int, int]]


class Way(Protocol):
    """To match: `ready` before each time, and what was found, by verdict, after the last."""

    async def ready(self) -> None: ...

    async def __call__(self) -> None: ...

    async def sums(self) -> Sums: ...


async def file_invoice(connection: "asyncpg.Connection[asyncpg.Record]", month: date) -> int:
    """An invoice for the month that is closed; how many lines it has."""
    await connection.execute(FILED.format(invoice=INVOICE, month=month))
    return int(await connection.fetchval("SELECT count(*) FROM invoice_lines"))


class Ours:
    """The worker's match of an invoice that was not matched before, with evidence for whatever differs."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", database: Database) -> None:
        self._connection, self._work = connection, MatchWork(database, database, within=600)

    async def ready(self) -> None:
        await self._connection.execute(ASKED.format(invoice=INVOICE))

    async def __call__(self) -> None:
        await self._work.run()

    async def sums(self) -> Sums:
        state = await self._connection.fetchval("SELECT state FROM invoice_matches")
        if state != "done":
            raise RuntimeError(f"the invoice is {state}")
        return _sums(await self._connection.fetch(
            "SELECT s.verdict, s.findings, s.difference_micros FROM invoice_matches,"
            " jsonb_to_recordset(summary) s (verdict text, findings bigint, difference_micros bigint)"
        ))  # fmt: skip


class ByHand:
    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def ready(self) -> None:
        await self._connection.execute(
            "DROP TABLE IF EXISTS bench.findings; CREATE TABLE bench.findings (place bigint, verdict text,"
            " number_id uuid, charged bigint, expected bigint)"
        )

    async def __call__(self) -> None:
        await self._connection.execute(
            "INSERT INTO bench.findings WITH held AS (" + HELD + ") SELECT * FROM (" + VERDICTS + ") told"
        )

    async def sums(self) -> Sums:
        return _sums(await self._connection.fetch(
            "SELECT verdict, count(*), sum(charged - expected)::bigint FROM bench.findings GROUP BY 1"
        ))  # fmt: skip


class InDuckDB:
    """Both sides copied out in the time that is taken, as they would have to be; nothing is written back."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", folder: Path) -> None:
        self._connection, self._folder = connection, folder
        self._duck = duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})

    async def ready(self) -> None:
        return

    async def __call__(self) -> None:
        for table, rows in COPIED.items():
            file = self._folder / f"{table}.csv"
            await self._connection.copy_from_query(rows, output=str(file), format="csv", header=True)
            await self._run(f"CREATE OR REPLACE TABLE {table} AS FROM read_csv('{file}')")
        await self._run("CREATE OR REPLACE TABLE findings AS " + VERDICTS)

    async def _run(self, statement: str) -> None:
        await asyncio.to_thread(self._duck.execute, statement)

    async def sums(self) -> Sums:
        return _sums(self._duck.execute(
            "SELECT verdict, count(*), CAST(sum(charged - expected) AS bigint) FROM findings GROUP BY 1"
        ).fetchall())  # fmt: skip


def _sums(rows: Any) -> Sums:
    return {verdict: (count, difference) for verdict, count, difference in rows}


def same(sums: Mapping[str, Sums]) -> None:
    """Raises: RuntimeError where they say different things."""
    if len({str(sorted(one.items())) for one in sums.values()}) > 1:
        raise RuntimeError(f"they find different things: {sums}")
