"""Run the migrations as `numbergate_owner`, over the connection `service.migrations` hands in, or print them as SQL."""

from sqlalchemy import Connection

from alembic import context
from service.tables import metadata


def run(connection: Connection | None) -> None:
    context.configure(
        connection=connection,
        dialect_name=None if connection else "postgresql",
        target_metadata=metadata,
        compare_type=True,
        transaction_per_migration=True,
        literal_binds=connection is None,
    )
    with context.begin_transaction():
        context.run_migrations()


run(None if context.is_offline_mode() else context.config.attributes["connection"])
