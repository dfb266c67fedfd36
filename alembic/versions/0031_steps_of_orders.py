"""A step may be one of an order's many: those are done after the others.

Null for what was called for by itself, and for every step of the version before.

Revision ID: 0031
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE steps ADD COLUMN order_id uuid")


def downgrade() -> None:
    op.execute("ALTER TABLE steps DROP COLUMN order_id")
