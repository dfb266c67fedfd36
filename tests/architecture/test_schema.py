"""The models and the migrations tell of one schema, and a migration can be taken back."""

from typing import Any

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Text
from sqlalchemy.ext.asyncio import create_async_engine

from service.db import async_url
from service.migrations import migrate
from service.tables import metadata

# Indexes, defaults and checks are the migrations' alone; foreign keys of hot rows are left out on purpose.
COLUMNS = {"add_table", "remove_table", "add_column", "remove_column", "modify_nullable", "modify_type"}
CATALOGUE = {
    "columns": "SELECT table_name, column_name, data_type, udt_name, is_nullable, column_default, is_identity"
    " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
    "policies": "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2",
    "tables": "SELECT relname, relrowsecurity, relforcerowsecurity, relowner::regrole::text, relacl::text, reloptions"
    " FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    "functions": "SELECT proname, pg_get_functiondef(oid), proacl::text, proowner::regrole::text FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace ORDER BY 1, 2",
    "triggers": "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
    "types": "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace ORDER BY 1",
}


async def catalogue(url: str) -> dict[str, list[tuple[Any, ...]]]:
    connection = await asyncpg.connect(url)
    try:
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in CATALOGUE.items()}
    finally:
        await connection.close()


async def differences(url: str, models: MetaData) -> list[str]:
    """What a migration would have to change for the tables to be as the models say."""

    def compare(connection: Connection) -> list[str]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, models)
        steps = [step for entry in found for step in (entry if isinstance(entry, list) else [entry])]
        return [str(step) for step in steps if step[0] in COLUMNS]

    engine = create_async_engine(async_url(url))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(compare)
    finally:
        await engine.dispose()


async def test_the_models_are_the_migrated_schema(database_url: str):
    assert await differences(database_url, metadata) == []


async def test_a_difference_would_be_noticed(database_url: str):
    drifted = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(drifted)
    drifted.tables["numbers"].append_column(Column("colour", Text))
    drifted.tables["numbers"].columns["nickname"].nullable = False
    drifted.tables["intents"].columns["mark"].type = drifted.tables["intents"].columns["slot"].type
    drifted.remove(drifted.tables["outbox"])

    found = " ".join(await differences(database_url, drifted))

    for sign in (
        "'add_column', None, 'numbers'",
        "'modify_nullable', None, 'numbers'",
        "'modify_type'",
        "'remove_table'",
    ):
        assert sign in found


async def test_down_to_nothing_and_up_again_leaves_the_same_schema(database_url: str):
    before = await catalogue(database_url)
    assert len(before["policies"]) > 30

    await migrate(database_url, "base")
    emptied = await catalogue(database_url)
    assert {name for name, *_ in emptied["tables"]} <= {"alembic_version", "alembic_version_pkc"}
    assert emptied["functions"] == emptied["policies"] == []

    await migrate(database_url)
    assert await catalogue(database_url) == before


async def test_migrating_twice_changes_nothing(database_url: str):
    before = await catalogue(database_url)
    await migrate(database_url)
    assert await catalogue(database_url) == before
