"""Postgres in virtual time: a database of the same migrations, whose clock and dice are rows that a test sets.

Every function and column default of ours says `clock_timestamp()` and `gen_random_uuid()` without a schema. Here a
schema of that kind comes before `pg_catalog` in the search path, already while the migrations run, so that all of them
mean its functions. Those that run as their definer name their path themselves, and get that schema in it too.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from service.embedded import EmbeddedPostgres
from service.migrations import migrate
from tests.support.ledgers import emptying

NAME = "simulated_time"
# After `public`, where the migrations make their tables; before `pg_catalog`, which comes first unless it is named.
SEARCH_PATH = f"ALTER DATABASE {NAME} SET search_path = public, sim, pg_catalog"

# An id made here is of the form that `service.kit.types.new_id` makes where its random bytes are a counter.
CLOCK = """
CREATE SCHEMA sim;
CREATE TABLE sim.now (at timestamptz NOT NULL);
INSERT INTO sim.now VALUES ('2026-01-01Z');
CREATE SEQUENCE sim.drawn MINVALUE 0;
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM sim.now';
CREATE FUNCTION sim.gen_random_uuid() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex(floor(extract(epoch FROM at)::float8 * 1000)::bigint), 12, '0') || '70008'
          || lpad(to_hex(nextval('sim.drawn')), 15, '0'))::uuid FROM sim.now
$$;
GRANT USAGE ON SCHEMA sim TO PUBLIC;
GRANT SELECT ON sim.now TO PUBLIC;
GRANT USAGE ON SEQUENCE sim.drawn TO PUBLIC;
"""

DEFINERS = """
DO $$
DECLARE
  definer regprocedure;
BEGIN
  FOR definer IN SELECT oid FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace LOOP
    EXECUTE format('ALTER FUNCTION %s SET search_path = public, sim, pg_catalog, pg_temp', definer);
  END LOOP;
END $$
"""

# Rows as JSON, a table a member: `load` of what `dump` gave is the same database.
TABLES = """
CREATE FUNCTION sim.dump() RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  name text;
  found jsonb;
  said jsonb := '{}';
BEGIN
  FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('SELECT coalesce(jsonb_agg(t), ''[]'') FROM %I t', name) INTO found;
    said := said || jsonb_build_object(name, found);
  END LOOP;
  RETURN said;
END $$;
CREATE FUNCTION sim.load(tables jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text;
  content jsonb;
BEGIN
  SET LOCAL session_replication_role = replica; -- Foreign keys may point to what is loaded later.
  FOR name, content IN SELECT * FROM jsonb_each(tables) LOOP
    EXECUTE format('INSERT INTO %1$I OVERRIDING SYSTEM VALUE
                    SELECT * FROM jsonb_populate_recordset(NULL::%1$I, $1)', name) USING content;
  END LOOP;
  SET LOCAL session_replication_role = origin;
END $$;
"""


class SimulatedPostgres:
    """`url` is a superuser's. What is changed through this object is seen by every connection at once."""

    def __init__(self, url: str, connection: "asyncpg.Connection[Any]", emptying: str) -> None:
        self.url = url
        self._connection = connection
        self._emptying = emptying

    async def set(self, at: datetime, *, drawn: int | None = None) -> None:
        """The time it is; and how many ids have been drawn, where that is to begin anew."""
        if drawn is None:
            await self._connection.execute("UPDATE sim.now SET at = $1", at)
        else:
            await self._connection.execute(
                "WITH draws AS (SELECT setval('sim.drawn', $2, false)) UPDATE sim.now SET at = $1 FROM draws", at, drawn
            )

    async def empty(self) -> None:
        await self._connection.execute(self._emptying)

    async def load(self, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Add rows, each with all of its columns, as JSON has them."""
        await self._connection.execute("SELECT sim.load($1::jsonb)", orjson.dumps(tables).decode())

    async def dump(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables, as JSON has them."""
        found = await self._connection.fetchval("SELECT sim.dump()")
        tables: dict[str, list[dict[str, Any]]] = orjson.loads(found)
        return tables

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        return await self._connection.fetch(statement, *values)

    @asynccontextmanager
    async def elsewhere(self) -> AsyncIterator["SimulatedPostgres"]:
        """The same database, for the event loop that runs now."""
        connection = await asyncpg.connect(self.url)
        try:
            yield SimulatedPostgres(self.url, connection, self._emptying)
        finally:
            await connection.close()


@asynccontextmanager
async def simulated_postgres(postgres: EmbeddedPostgres) -> AsyncIterator[SimulatedPostgres]:
    server = await asyncpg.connect(postgres.superuser_url())
    try:
        await server.execute(f"CREATE DATABASE {NAME}")
        await server.execute(SEARCH_PATH)
        url = postgres.superuser_url(NAME)
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(CLOCK + TABLES)
            await migrate(url)
            await connection.execute(DEFINERS)
            yield SimulatedPostgres(url, connection, await emptying(connection))
        finally:
            await connection.close()
            await server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    finally:
        await server.close()
