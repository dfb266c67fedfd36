"""All that is known of a number is one statement, which says itself for whom it acts.

Revision ID: 0080
"""

from pathlib import Path

from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "show_number_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION show_number FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION show_number TO numbergate_api, numbergate_worker")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP FUNCTION show_number")
