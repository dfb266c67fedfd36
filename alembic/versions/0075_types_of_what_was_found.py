"""What a doubt brought after all is of the type that its sale names, or that was sold there last, and is priced so.

Revision ID: 0075
"""

from pathlib import Path

from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "type_sold_last_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION type_sold_last FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION type_sold_last TO numbergate_api, numbergate_worker")
    op.execute((SQL / "settle_v6.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "settle_v5.sql").read_text())
    op.execute("DROP FUNCTION type_sold_last")
