"""The index by which admission finds a number to be had again.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAME = "spare_numbers_of_user"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index behind, so any leftover goes first.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {NAME} ON orphans (tenant_id, user_id)"
            " WHERE state = 'open' AND reason = 'refused_intent'"
        )


def downgrade() -> None:
    op.execute(f"DROP INDEX {NAME}")
