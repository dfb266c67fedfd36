"""A key that was rotated names its successor, and is not rotated again.

The process before this one goes on to rotate such keys, and then leaves the column as it is.

Revision ID: 0020
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys ADD COLUMN rotated_to uuid")


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP COLUMN rotated_to")
