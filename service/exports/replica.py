"""A read replica, as long as it is fit to be exported from: which it says itself, each time, before it is asked."""

from dataclasses import dataclass

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.db import Database, Role, WrongRole
from service.kit.errors import StorageUnavailable

# Seconds that what is exported may be behind: then rather load the primary than tell of another day.
MOST_BEHIND = 300.0
HEAD = text("SELECT system_identifier, CAST(pg_current_wal_flush_lsn() AS text) AS head FROM pg_control_system()")
STANDING = text("""
    SELECT system_identifier, pg_is_in_recovery() AS follows,
           coalesce(pg_last_wal_replay_lsn() >= CAST(CAST(:head AS text) AS pg_lsn), false) AS level,
           CAST(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS float8) AS seconds
    FROM pg_control_system()
""")
# It may be away, know no such login, or not have heard of the latest migration.
AWAY = (StorageUnavailable, SQLAlchemyError, asyncpg.PostgresError)
log = structlog.get_logger(__name__)


class Unfit(Exception):
    """Why this is not exported from now."""


@dataclass(frozen=True, slots=True)
class Replica:
    database: Database
    primary: Database
    role: Role

    async def check(self) -> None:
        """At the start: one that is away, or behind, is told and left alone.

        Raises: WrongRole, also for a database that is no copy of the primary.
        """
        try:
            await self.age()
        except Unfit as error:
            log.warning("replica not used", why=str(error))

    async def age(self) -> float:
        """Seconds that what it shows may be behind the primary, at most; 0 where it has all that was committed there
        when this was asked. An idle primary gives nothing to tell time by, hence both.

        Raises: Unfit; WrongRole, also for a database that is no copy of the primary.
        """
        try:
            await self.database.check_role(self.role)
            async with self.primary.acting() as session:
                ours = (await session.execute(HEAD)).one()
            async with self.database.acting() as session:
                found = (await session.execute(STANDING, {"head": ours.head})).one()
        except AWAY as error:
            raise Unfit(f"it cannot be asked: {type(error).__name__}") from error
        if found.system_identifier != ours.system_identifier:
            raise WrongRole("NUMBERGATE_REPLICA_URL leads to a database that is no replica of DATABASE_URL's")
        if not found.follows:
            raise Unfit("it follows no primary")
        if found.level:
            return 0.0
        if found.seconds is None or found.seconds > MOST_BEHIND:
            raise Unfit(f"it is more than {MOST_BEHIND:g} seconds behind")
        return max(float(found.seconds), 0.0)
