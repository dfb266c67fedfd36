"""One database for one test after another: emptied between them, and copied anew where a test changed its schema."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from service.db import Database, Pooler, Role, open_database
from service.embedded import EmbeddedPostgres

# Not emptied: what the migrations wrote.
KEPT = ("alembic_version", "version")

WATCH = """
CREATE SCHEMA watched;
CREATE TABLE watched.changes (tag text);
CREATE FUNCTION watched.note() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
  'BEGIN INSERT INTO watched.changes VALUES (tg_tag); END';
CREATE EVENT TRIGGER changes ON ddl_command_end EXECUTE FUNCTION watched.note();
"""


async def emptying(connection: "asyncpg.Connection[Any]") -> str:
    """Statements that leave a database as the migrations did; no trigger fires.

    Deleting a few rows takes a fraction of the time of truncating as many tables.
    """
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    counters = await connection.fetch("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
    names = [row["tablename"] for row in tables if row["tablename"] not in KEPT]
    return "; ".join(
        [
            "SET session_replication_role = replica",
            *(f"DELETE FROM {name}" for name in names),
            *(f"ALTER SEQUENCE {row['sequencename']} RESTART" for row in counters),
            "UPDATE version SET revision = 1",
            "SET session_replication_role = origin",
        ]
    )


# Nobody vacuums: what was deleted is left behind by copying anew. Nor does anybody gather statistics, which would
# be of whatever a test before left.
USES = 150


class SharedLedger:
    """A superuser's `url` of a database that is empty for each test."""

    def __init__(self, postgres: EmbeddedPostgres, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._name = f"shared_{template}"
        self._emptying: str | None = None
        self._used = 0
        self.url = postgres.superuser_url(self._name)

    async def empty(self) -> None:
        """End whoever is connected, and leave no trace of what was done."""
        self._used += 1
        if self._used % USES == 0 or not await self._emptied():
            await self._copy()

    async def _copy(self) -> None:
        server = await asyncpg.connect(self._postgres.superuser_url())
        try:
            await server.execute(f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)")
            await server.execute(f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
        finally:
            await server.close()
        connection = await asyncpg.connect(self.url)
        try:
            self._emptying = await emptying(connection)
            await connection.execute(WATCH)
        finally:
            await connection.close()

    async def _emptied(self) -> bool:
        if self._emptying is None:
            return False
        try:
            connection = await asyncpg.connect(self.url, server_settings={"lock_timeout": "2000"})
        except asyncpg.PostgresError:
            return False
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if await connection.fetchval("SELECT EXISTS (SELECT FROM watched.changes)"):
                return False
            await connection.execute(self._emptying)
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()
        return True


class KeptDatabases:
    """Engines that are used again, for what SQLAlchemy has compiled is kept in them. Their connections are not."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, Role, int, Pooler], list[Database]] = {}

    @asynccontextmanager
    async def opened(self, url: str, role: Role, *, pool: int, pooler: Pooler = "none") -> AsyncIterator[Database]:
        idle = self._idle.setdefault((url, role, pool, pooler), [])
        database = idle.pop() if idle else open_database(url, role, pool=pool, pooler=pooler)
        database.round_trips = 0
        try:
            yield database
        finally:
            await database.engine.dispose()
            idle.append(database)
