"""Over which time the supplier's listings showed a row: evidence of possession, for whatever he charges.

Kept by the database itself as rows are first seen, gone and back; a listing that changes nothing writes nothing.

Revision ID: 0057
"""

from pathlib import Path

from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
SEES_EVERYTHING = (
    "(SELECT current_setting('numbergate.duty', true) = 'finance')"
    " AND (SELECT '*' = ANY (coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]))"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("""
        CREATE TABLE possession (
          account_id uuid NOT NULL REFERENCES accounts,
          row_id text NOT NULL,
          phone_number text NOT NULL,
          shown_from timestamptz NOT NULL,
          last_shown_at timestamptz,
          gone_at timestamptz,
          PRIMARY KEY (account_id, row_id, shown_from),
          CHECK ((last_shown_at IS NULL) = (gone_at IS NULL))
        )""")
    op.execute("CREATE INDEX possession_of_number ON possession (account_id, phone_number)")
    op.execute("CREATE INDEX possession_gone ON possession (gone_at) WHERE gone_at IS NOT NULL")
    op.execute("ALTER TABLE possession ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE possession FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON possession TO numbergate_worker")
    op.execute("CREATE POLICY worker_works ON possession TO numbergate_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT ON possession TO numbergate_api, numbergate_finance")
    op.execute(f"CREATE POLICY api_reads ON possession FOR SELECT TO numbergate_api USING ({SEES_EVERYTHING})")
    op.execute("CREATE POLICY finance_reads ON possession FOR SELECT TO numbergate_finance USING (true)")
    op.execute((SQL / "note_shown_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION note_shown FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER new_rows_are_shown AFTER INSERT ON upstream_rows REFERENCING NEW TABLE AS new_rows"
        " FOR EACH STATEMENT EXECUTE FUNCTION note_shown()"
    )
    op.execute(
        "CREATE TRIGGER rows_are_gone_or_back AFTER UPDATE ON upstream_rows"
        " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_shown()"
    )
    op.execute("CREATE POLICY owner_fills ON possession TO numbergate_owner USING (true) WITH CHECK (true)")
    op.execute("""
        INSERT INTO possession (account_id, row_id, phone_number, shown_from, last_shown_at, gone_at)
        SELECT account_id, row_id, phone_number, first_seen_at,
               CASE WHEN gone_at IS NOT NULL THEN first_seen_at END, gone_at FROM upstream_rows""")
    op.execute("DROP POLICY owner_fills ON possession")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP TRIGGER rows_are_gone_or_back ON upstream_rows")
    op.execute("DROP TRIGGER new_rows_are_shown ON upstream_rows")
    op.execute("DROP FUNCTION note_shown")
    op.execute("DROP TABLE possession")
