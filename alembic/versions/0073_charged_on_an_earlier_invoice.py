"""What an earlier invoice charged already is a duplicate too.

Revision ID: 0073
"""

from pathlib import Path

from alembic import op

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE invoice_findings ADD COLUMN other_invoice_id uuid")
    _matching("match_invoice_v3.sql")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    _matching("match_invoice_v2.sql")
    op.execute("ALTER TABLE invoice_findings DROP COLUMN other_invoice_id")


def _matching(file: str) -> None:
    # What it answers has another column, so it is made anew, in one transaction. Whoever runs still reads by name.
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION match_invoice")
    op.execute((SQL / file).read_text())
    op.execute("REVOKE ALL ON FUNCTION match_invoice FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION match_invoice TO numbergate_worker")
