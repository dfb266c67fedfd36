"""The schema and its roles: `numbergate migrate`, and the check every other process makes before it starts."""

import asyncio
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from service.db import Database, async_url

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent.parent / "alembic"
ROLES = ("numbergate_owner", "numbergate_api", "numbergate_worker", "numbergate_finance")

# For searching; whoever may create in the database may create these, for they are trusted.
EXTENSIONS = ("btree_gin", "pg_trgm")
OF_EXTENSIONS = ("CREATE SCHEMA IF NOT EXISTS extensions", "GRANT USAGE ON SCHEMA extensions TO numbergate_owner")

# A migration that has to wait for a lock must not make everybody else wait behind it.
PATIENCE, AS_OWNER = "SET lock_timeout = '4s'", "SET ROLE numbergate_owner"


# A database of ours has this table from the first migration on. What an extension brought is nobody's.
WHOSE = text("""
    SELECT to_regclass('public.intents') IS NOT NULL AND to_regclass('public.alembic_version') IS NOT NULL AS ours,
      (SELECT count(*) FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
         AND c.relname <> 'alembic_version'
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')) AS tables
""")


class NotMigrated(Exception):
    """The database's schema is not the one this code was written for."""


class OfAnother(NotMigrated):
    """The database has tables, and none of them is ours."""

    def __init__(self) -> None:
        super().__init__("the database holds tables of another application: name one of Numbergate's own")


class Ahead(NotMigrated):
    """The database was migrated by newer code."""


def revisions() -> list[str]:
    """Every revision this code knows, the one it expects last. Each file is named after its own."""
    return sorted(path.name.split("_")[0] for path in SCRIPTS.glob("versions/*_*.py"))


async def ensure_database(superuser_url: str, name: str) -> None:
    engine = create_async_engine(async_url(superuser_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            if not await connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}):
                await connection.execute(text(f"CREATE DATABASE {name}"))
    finally:
        await engine.dispose()


async def ensure_login(superuser_url: str, name: str, password: str) -> None:
    """A login for a stack on one machine: the api role by itself, and able to become each of the others.

    docs/operate.md has production's, one login a role.
    """
    engine = create_async_engine(async_url(superuser_url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            if not await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": name}):
                await connection.execute(text(f"CREATE ROLE {name}"))
            quoted = await connection.scalar(text("SELECT quote_literal(:password)"), {"password": password})
            await connection.exec_driver_sql(f"ALTER ROLE {name} LOGIN PASSWORD {quoted}")
            for role in ROLES:
                inherits = role == "numbergate_api"
                await connection.execute(text(f"GRANT {role} TO {name} WITH INHERIT {inherits}, SET TRUE"))
    finally:
        await engine.dispose()


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database of `url` to `revision`, creating the four roles where they are missing.

    The login must be able to become `numbergate_owner`; on the first run also to create roles, and extensions unless
    they are there. Two runs at once wait for one another.
    Raises: OfAnother, Ahead: nothing is changed there.
    """
    engine = create_async_engine(async_url(url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            # Asked again and again rather than waited for: a session that waits holds a snapshot, and the indexes that
            # the other run builds beside traffic would wait for that.
            while not await connection.scalar(text("SELECT pg_try_advisory_lock(hashtext('numbergate migrate'))")):
                await connection.commit()
                await asyncio.sleep(0.2)
            await connection.run_sync(_is_ours)
            await connection.commit()
            await connection.run_sync(_ensure_roles)
            await connection.run_sync(_ensure_extensions)
            await connection.commit()
            for statement in (PATIENCE, AS_OWNER):
                await connection.execute(text(statement))
            await connection.run_sync(_revision)
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


def _ensure_extensions(connection: Connection) -> None:
    present = set(connection.execute(text("SELECT extname FROM pg_extension")).scalars())
    if missing := [name for name in EXTENSIONS if name not in present]:
        may = "SELECT has_database_privilege(current_database(), 'CREATE')"
        if not connection.execute(text(may)).scalar():
            connection.execute(text("SET ROLE numbergate_owner"))
        for statement in (*OF_EXTENSIONS, *(f"CREATE EXTENSION {name} SCHEMA extensions" for name in missing)):
            connection.execute(text(statement))


def _run(connection: Connection, revision: str) -> None:
    # Alembic takes a while to load, and the processes that only check need nothing of it.
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    if revision == "base" or revision.startswith("-"):
        command.downgrade(config, revision)
    else:
        command.upgrade(config, revision)
    connection.commit()


def as_sql(revision: str = "head") -> str:
    """What `migrate` runs on an empty database, once the roles are there; of `from:to`, on one at revision `from`."""
    from alembic import command

    config = _config()
    config.output_buffer = StringIO()
    command.upgrade(config, revision, sql=True)
    extensions = (f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA extensions" for name in EXTENSIONS)
    prepared = (PATIENCE, *OF_EXTENSIONS, *extensions, AS_OWNER)
    return "".join(f"{statement};\n" for statement in prepared) + config.output_buffer.getvalue()


def _config() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


async def check_migrated(database: Database) -> None:
    """Raises: NotMigrated, saying whether the database is empty, behind, ahead or somebody else's."""
    async with database.engine.connect() as session:
        revision = await session.run_sync(_revision)
    if revision is None:
        raise NotMigrated("the database is empty: run `numbergate migrate`, if it is the right one")
    expected = revisions()[-1]
    if revision != expected:
        raise NotMigrated(
            f"the database is at revision {revision}, this code expects {expected}: run `numbergate migrate`"
        )


def _revision(connection: Connection) -> str | None:
    """Of a database that this code can work with or bring up to date; None of an empty one.

    Raises: OfAnother, Ahead.
    """
    if not _is_ours(connection):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM public.alembic_version"))
    known = revisions()
    if revision not in known:
        raise Ahead(f"the database is at revision {revision}, this code expects {known[-1]}: deploy newer code")
    return revision


def _is_ours(connection: Connection) -> bool:
    """Of an empty one: no. Needs no rights. Raises: OfAnother."""
    found = connection.execute(WHOSE).one()
    if found.tables and not found.ours:
        raise OfAnother
    return bool(found.ours)
