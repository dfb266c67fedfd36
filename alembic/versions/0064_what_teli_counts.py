"""What Teli's analytics count of a month that is final, beside what the ledger holds of it.

Revision ID: 0064
"""

from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None

FINANCE = "(SELECT current_setting('numbergate.duty', true) = 'finance')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
SEEN = f"(organization_id = ANY ((SELECT {SEES})::text[]) OR (SELECT '*' = ANY ({SEES})))"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("""
        CREATE TABLE period_analytics (
          month date NOT NULL REFERENCES billing_periods,
          account_id uuid NOT NULL REFERENCES accounts,
          organization_id text NOT NULL,
          state text NOT NULL CHECK (state IN ('pending', 'agrees', 'differs', 'unknown')),
          asked_at timestamptz,
          users bigint,
          differences jsonb NOT NULL DEFAULT '[]',
          PRIMARY KEY (month, account_id, organization_id)
        )""")
    op.execute("ALTER TABLE period_analytics ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE period_analytics FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT ON period_analytics TO numbergate_api, numbergate_finance")
    op.execute("GRANT SELECT, INSERT, UPDATE ON period_analytics TO numbergate_worker")
    op.execute(f"CREATE POLICY api_reads ON period_analytics FOR SELECT TO numbergate_api USING ({FINANCE} AND {SEEN})")
    op.execute("CREATE POLICY finance_reads ON period_analytics FOR SELECT TO numbergate_finance USING (true)")
    op.execute("CREATE POLICY worker_works ON period_analytics TO numbergate_worker USING (true) WITH CHECK (true)")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP TABLE period_analytics")
