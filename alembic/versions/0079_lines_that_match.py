"""Lines that simply match are kept by the thousand, and have no finding of their own.

Revision ID: 0079
"""

from pathlib import Path

from alembic import op

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
SEES_EVERYTHING = (
    "(SELECT current_setting('numbergate.duty', true) = 'finance')"
    " AND (SELECT '*' = ANY (coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]))"
)
# A part holds nothing that packs well.
CREATE = """
    CREATE TABLE matched_lines (
      invoice_id uuid NOT NULL REFERENCES invoices ON DELETE CASCADE,
      part bigint NOT NULL,
      lines bigint NOT NULL,
      micros bigint NOT NULL,
      places bigint[] STORAGE EXTERNAL NOT NULL,
      number_ids uuid[] STORAGE EXTERNAL NOT NULL,
      price_ids uuid[] STORAGE EXTERNAL NOT NULL,
      PRIMARY KEY (invoice_id, part)
    )"""
AS_FINDINGS = """
    INSERT INTO invoice_findings (invoice_id, finding, place, verdict, number_id, kind, begins, ends, price_ids,
                                  expected_micros, charged_micros, difference_micros)
      SELECT l.invoice_id, l.place, l.place, 'matched', u.number_id, l.kind, l.begins, l.ends, ARRAY[u.price_id],
             l.micros, l.micros, 0
      FROM matched_lines m
      CROSS JOIN LATERAL unnest(m.places, m.number_ids, m.price_ids) u (place, number_id, price_id)
      JOIN invoice_lines l ON l.invoice_id = m.invoice_id AND l.place = u.place
      ON CONFLICT DO NOTHING"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(CREATE)
    op.execute("ALTER TABLE matched_lines ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE matched_lines FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT ON matched_lines TO numbergate_api, numbergate_finance")
    op.execute(f"CREATE POLICY api_reads ON matched_lines FOR SELECT TO numbergate_api USING ({SEES_EVERYTHING})")
    op.execute("CREATE POLICY finance_reads ON matched_lines FOR SELECT TO numbergate_finance USING (true)")
    op.execute("GRANT SELECT, INSERT, DELETE ON matched_lines TO numbergate_worker")
    op.execute("CREATE POLICY worker_works ON matched_lines TO numbergate_worker USING (true) WITH CHECK (true)")
    _matching("match_invoice_v4.sql")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    _matching("match_invoice_v3.sql")
    op.execute("ALTER TABLE matched_lines NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE invoice_findings NO FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE invoice_lines NO FORCE ROW LEVEL SECURITY")
    op.execute(AS_FINDINGS)
    op.execute("ALTER TABLE invoice_lines FORCE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE invoice_findings FORCE ROW LEVEL SECURITY")
    op.execute("DROP TABLE matched_lines")


def _matching(file: str) -> None:
    # What it answers has another column, so it is made anew, in one transaction. Whoever runs still reads by name.
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION match_invoice")
    op.execute((SQL / file).read_text())
    op.execute("REVOKE ALL ON FUNCTION match_invoice FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION match_invoice TO numbergate_worker")
