"""An item of an order that waited long for its turn has a place in the queue, and holds up no other user's.

Revision ID: 0059
"""

from pathlib import Path

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "wait_in_queue_v2.sql").read_text())
    op.execute((SQL / "admit_v8.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "admit_v7.sql").read_text())
    op.execute((SQL / "wait_in_queue_v1.sql").read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
