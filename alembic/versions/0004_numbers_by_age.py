"""Indexes for the inventory, which goes through numbers in the order in which they were acquired.

An organisation's and a user's are there from the first; these are for a tenant's own numbers, and for all there are.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDEXES = {
    "numbers_of_tenant_by_age": "CREATE INDEX CONCURRENTLY IF NOT EXISTS numbers_of_tenant_by_age"
    " ON numbers (tenant_id, acquired_at, id)",
    "numbers_by_age": "CREATE INDEX CONCURRENTLY IF NOT EXISTS numbers_by_age ON numbers (acquired_at, id)",
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
