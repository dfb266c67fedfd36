"""A budget is not looked at for a month that had ended when it was filed.

Revision ID: 0068
"""

from pathlib import Path

from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "watch_budgets_v2.sql").read_text())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "watch_budgets_v1.sql").read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
