"""Whoever is admitted for an item of an order has an intent of its own; the place in the queue is the item's.

Revision ID: 0076
"""

from pathlib import Path

from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "admit_v9.sql").read_text())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "admit_v8.sql").read_text())
