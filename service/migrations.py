"""The schema and its roles: `numbergate migrate`, and the check every other process makes before it starts."""

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from alembic import command
from service.db import Database, async_url

SCRIPTS = Path(__file__).parent.parent / "alembic"
ROLES = ("numbergate_owner", "numbergate_api", "numbergate_worker", "numbergate_finance")


class NotMigrated(Exception):
    """The database's schema is not the one this code was written for."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return config


def head() -> str:
    """The revision this code expects."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database of `url` to `revision`, creating the four roles where they are missing.

    The login must be able to become `numbergate_owner`; on the first run also to create roles.
    Two runs at once wait for one another.
    """
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(hashtext('numbergate migrate'))"))
            await connection.run_sync(_ensure_roles)
            await connection.commit()
            await connection.execute(text("SET ROLE numbergate_owner"))
            await connection.execute(text("SET lock_timeout = '4s'"))
            await connection.commit()
            await connection.run_sync(_run, revision)
    finally:
        await engine.dispose()


def _ensure_roles(connection: Connection) -> None:
    present = set(connection.execute(text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'numbergate%'")).scalars())
    for role in ROLES:
        if role not in present:
            connection.execute(text(f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"))
    if not connection.execute(text("SELECT pg_has_role(current_user, 'numbergate_owner', 'MEMBER')")).scalar():
        connection.execute(text("GRANT numbergate_owner TO current_user"))
    if not connection.execute(text("SELECT has_schema_privilege('numbergate_owner', 'public', 'CREATE')")).scalar():
        connection.execute(text("GRANT CREATE ON SCHEMA public TO numbergate_owner"))
    for role in ROLES:
        if not connection.execute(text(f"SELECT has_schema_privilege('{role}', 'public', 'USAGE')")).scalar():
            connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {role}"))


def _run(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    if revision == "base" or revision.startswith("-"):
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
    connection.commit()


async def check_migrated(database: Database) -> None:
    """Raises: NotMigrated, saying whether the database is empty, behind, ahead or somebody else's."""
    async with database.engine.connect() as session:
        found = (
            await session.execute(
                text(
                    "SELECT to_regclass('alembic_version') IS NOT NULL AS migrated,"
                    " (SELECT count(*) FROM pg_tables WHERE schemaname = 'public') AS tables"
                )
            )
        ).one()
        if not found.migrated:
            whose = "is empty" if found.tables == 0 else "holds tables of another application"
            raise NotMigrated(f"the database {whose}: run `numbergate migrate` on the right one")
        revision = (await session.execute(text("SELECT version_num FROM alembic_version"))).scalar()
    if revision != head():
        known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
        ahead = revision not in known
        mend = "deploy newer code" if ahead else "run `numbergate migrate`"
        raise NotMigrated(f"the database is at revision {revision}, this code expects {head()}: {mend}")
