"""An item of an order that a restore put back finds by its mark what was bought for it since, before it buys.

Revision ID: 0085
"""

from pathlib import Path

from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("GRANT UPDATE (phone_number) ON order_items TO numbergate_worker")
    op.execute((SQL / "admit_v11.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "admit_v10.sql").read_text())
    op.execute("REVOKE UPDATE (phone_number) ON order_items FROM numbergate_worker")
