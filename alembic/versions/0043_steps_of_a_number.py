"""What was done with one number, and is owed to it, by index: asked of a number that is shown, and of one that drifts.

Revision ID: 0043
"""

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '4s'")
        # An interrupted build leaves an invalid index behind, so any leftover goes first.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS steps_of_number")
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS steps_of_number ON steps (number_id)")


def downgrade() -> None:
    op.execute("DROP INDEX steps_of_number")
