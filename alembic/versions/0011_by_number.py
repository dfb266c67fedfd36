"""Indexes by E.164, for what is asked of a number before a purchase is taken for its buyer.

Revision ID: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = {
    "acquisitions_of_number": "CREATE INDEX CONCURRENTLY IF NOT EXISTS acquisitions_of_number"
    " ON numbers (account_id, phone_number, released_at)",
    "rows_of_number": "CREATE INDEX CONCURRENTLY IF NOT EXISTS rows_of_number"
    " ON upstream_rows (account_id, phone_number) WHERE gone_at IS NULL",
    "open_orphans_of_number": "CREATE INDEX CONCURRENTLY IF NOT EXISTS open_orphans_of_number"
    " ON orphans (account_id, phone_number) WHERE state = 'open'",
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
