"""Whoever closes a month tells each tenant that is charged in it, in the closing transaction.

Revision ID: 0056
"""

from pathlib import Path

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
FINANCE = "(SELECT current_setting('numbergate.duty', true) = 'finance')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
SEES_ALL = f"(SELECT '*' = ANY ({SEES}))"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "tell_final_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION tell_final FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION tell_final TO numbergate_api")
    op.execute(
        "CREATE POLICY finance_tells ON outbox FOR INSERT TO numbergate_api"
        f" WITH CHECK ({FINANCE} AND {SEES_ALL} AND kind = 'statement.final')"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP POLICY finance_tells ON outbox")
    op.execute("DROP FUNCTION tell_final")
