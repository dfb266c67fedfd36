"""A month closed by the service, and the same lines written by one statement made by hand, and by DuckDB."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import duckdb

from service.billing.charging import ChargingRule
from service.billing.closing import Closing
from service.db import Database
from service.kit.money import Price
from service.numbers.drain import Drain
from service.prices.pricing import Pricing
from service.tenants.principals import Principal

# The default rule alone, of months in full from the day of purchase, in advance, by UTC; nothing late, and no hash.
LINES = """
  WITH life AS (
    SELECT DISTINCT ON (f.number_id) f.number_id, CAST(f.acquired_at {utc} AS date) AS acquired,
           CAST(f.ended_at {utc} AS date) AS released, f.organization_id, f.area_code
    FROM {facts} f ORDER BY f.number_id, f.seq DESC
  ), due AS (
    SELECT l.*, 'month' AS kind, b.begins, CAST(l.acquired + to_months(b.at + 1) AS date) AS ends
    FROM life l, LATERAL (
      SELECT m.at, CAST(l.acquired + to_months(m.at) AS date) AS begins
      FROM (SELECT CAST((extract(year FROM CAST({month} AS date)) - extract(year FROM l.acquired)) * 12
              + extract(month FROM CAST({month} AS date)) - extract(month FROM l.acquired) AS int) AS at) m
    ) b
    WHERE b.at >= 0 AND b.begins <= coalesce(l.released, b.begins)
    UNION ALL
    SELECT l.*, 'setup', l.acquired, l.acquired + 1 FROM life l
    WHERE l.acquired >= CAST({month} AS date) AND l.acquired < CAST({month} AS date) + INTERVAL '1 month'
  ), version AS (
    SELECT p.*, lead(p.since, 1, CAST('9999-01-01' AS date)) OVER (PARTITION BY organization_id, area_code
      ORDER BY p.since) AS until
    FROM {prices} p
  ), priced AS (
    SELECT d.*, coalesce(o.id, a.id, v.id) AS price_id, coalesce(o.currency, a.currency, v.currency) AS currency,
           CASE d.kind WHEN 'setup' THEN coalesce(o.setup, a.setup, v.setup)
             ELSE coalesce(o.monthly, a.monthly, v.monthly) END AS micros
    FROM due d
    JOIN version v ON v.organization_id IS NULL AND v.area_code IS NULL AND v.since <= d.begins AND d.begins < v.until
    LEFT JOIN version a ON a.area_code = d.area_code AND a.since <= d.begins AND d.begins < a.until
    LEFT JOIN version o ON o.organization_id = d.organization_id AND o.since <= d.begins AND d.begins < o.until
  ), owned AS (
    SELECT DISTINCT ON (p.number_id, p.kind) p.number_id, p.kind, p.begins, p.ends, p.micros, p.currency, p.price_id,
           f.tenant_id, f.organization_id, f.user_id, f.holder_user_id, f.cost_center, f.tags
    FROM priced p JOIN {facts} f ON f.number_id = p.number_id
      AND CAST(f.valid_at {utc} AS date) <= p.begins
    WHERE p.micros <> 0
    ORDER BY p.number_id, p.kind, CAST(f.valid_at {utc} AS date) DESC, f.seq DESC
  )
  SELECT CAST({month} AS date) AS month, row_number() OVER (ORDER BY o.number_id, o.kind) AS place,
         CAST(NULL AS date) AS corrects, o.number_id, n.phone_number, o.kind, o.begins, o.ends, o.begins AS due,
         o.micros, o.currency, o.price_id, o.tenant_id, o.organization_id, o.user_id, o.holder_user_id, o.cost_center,
         o.tags
  FROM owned o JOIN {numbers} n ON n.id = o.number_id
"""
TABLES = {
    "numbers": "SELECT id, phone_number FROM numbers",
    "number_facts": "SELECT seq, number_id, valid_at, tenant_id, organization_id, user_id, holder_user_id, cost_center,"
    " tags::text AS tags, area_code, acquired_at, ended_at FROM number_facts",
    "price_versions": "SELECT id, organization_id, area_code, since, setup, monthly, currency FROM price_versions",
}


class Ours:
    """`Closing.close`, held to row-level security, with the hash and everything else that goes with it."""

    def __init__(self, database: Database, finance: Principal, month: date) -> None:
        pricing = Pricing(database, default=Price(1_000_000, 2_990_000, "USD"), rule=ChargingRule().as_json())
        self._closing = Closing(database, pricing, Drain(600), within=600, answer_within=600)
        self._finance, self._month = finance, month

    async def __call__(self) -> None:
        await self._closing.close(self._finance, self._month, "bench")


class ByHand:
    """One INSERT … SELECT by the owner of the tables, into one like that of the charges, with its indexes."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", month: date) -> None:
        self._connection = connection
        self._statement = "INSERT INTO bench.charges " + LINES.format(
            utc="AT TIME ZONE 'UTC'", facts="number_facts", prices="price_versions", numbers="numbers",
            month=f"'{month}'",
        ).replace("to_months(", "make_interval(months => ")  # fmt: skip

    async def __call__(self) -> None:
        await self._connection.execute(self._statement)


class InDuckDB:
    """The same over tables copied out beforehand, into a table of its own; nothing of it comes back to Postgres."""

    def __init__(self, url: str, folder: Path, month: date) -> None:
        self._url, self._folder = url, folder
        self._statement = "CREATE OR REPLACE TABLE charges AS " + LINES.format(
            utc="", facts="number_facts", prices="price_versions", numbers="numbers", month=f"'{month}'"
        )
        self._duck = duckdb.connect(str(folder / "bench.duckdb"), config={"threads": 2, "memory_limit": "1GB"})
        self._duck.execute("SET TimeZone = 'UTC'")

    async def load(self) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            for table, rows in TABLES.items():
                file = self._folder / f"{table}.csv"
                await connection.copy_from_query(rows, output=str(file), format="csv", header=True)
                self._duck.execute(f"CREATE TABLE {table} AS FROM read_csv('{file}', all_varchar = false)")
        finally:
            await connection.close()

    async def __call__(self) -> None:
        await asyncio.to_thread(self._duck.execute, self._statement)

    def sums(self) -> tuple[Any, ...] | None:
        return self._duck.execute("SELECT count(*), CAST(sum(micros) AS bigint) FROM charges").fetchone()
