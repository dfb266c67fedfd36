"""An invoice is matched with the charges that were written when its month was made final, and only numbers of which a
line differs are weighed; findings are not looked up in the invoices one by one. The facts of some numbers are found by
an index or a hash, and not by comparing each with all of these.

Revision ID: 0071
"""

from pathlib import Path

from alembic import op

revision = "0071"
down_revision = "0070"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
LOOKED_UP = "invoice_findings_invoice_id_fkey"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "charges_due_v3.sql").read_text())
    _matching("match_invoice_v2.sql")
    # What was matched is not taken back, and its row is locked meanwhile.
    op.execute(f"-- squawk-ignore ban-drop-constraint\nALTER TABLE invoice_findings DROP CONSTRAINT {LOOKED_UP}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(
        f"ALTER TABLE invoice_findings ADD CONSTRAINT {LOOKED_UP} FOREIGN KEY (invoice_id)"
        " REFERENCES invoices ON DELETE CASCADE"
    )
    _matching("match_invoice_v1.sql")
    op.execute((SQL / "charges_due_v2.sql").read_text())


def _matching(file: str) -> None:
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION match_invoice")
    op.execute((SQL / file).read_text())
    op.execute("REVOKE ALL ON FUNCTION match_invoice FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION match_invoice TO numbergate_worker")
