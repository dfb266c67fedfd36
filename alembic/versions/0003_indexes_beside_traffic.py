"""Indexes on tables in use, built while others write.

A migration of their own: such a build cannot be rolled back, so what stands beside it would be committed without its
revision, and a second run would fail on it. This one can be run again from any point.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEXES = {
    "intents_by_mark": "CREATE INDEX CONCURRENTLY IF NOT EXISTS intents_by_mark ON intents (account_id, mark)",
    "one_orphan_per_row": "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_orphan_per_row"
    " ON orphans (account_id, row_id) WHERE row_id IS NOT NULL",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, build in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(build)


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
