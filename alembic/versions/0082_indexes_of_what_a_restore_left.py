"""Indexes for what a restore left, built while others write; they are empty where there was none.

A migration of their own: such a build cannot be rolled back. This one can be run again from any point.

Revision ID: 0082
"""

from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

INDEXES = {
    "restored_by_mark": "CREATE INDEX CONCURRENTLY IF NOT EXISTS restored_by_mark ON intents (tenant_id, mark)"
    " WHERE slot = 0 AND idempotency_key IS NULL",
    "orphans_after_restore": "CREATE INDEX CONCURRENTLY IF NOT EXISTS orphans_after_restore"
    " ON orphans (account_id, organization_id) WHERE state = 'open' AND reason = 'after_restore'",
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
