"""What is known of one number: when Teli listed it, and its history for whoever sees it.

Revision ID: 0032
"""

from pathlib import Path

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
DUTY = "current_setting('numbergate.duty', true)"
BEFORE = f"tenant_id = nullif(current_setting('numbergate.tenant_id', true), '') OR {DUTY} IN ('admin', 'operator')"
# Only an entry about a number has an id to be looked for among them; whose these are, their own policy says.
OF_A_NUMBER = (
    "CASE WHEN object_kind = 'number' THEN EXISTS (SELECT FROM numbers n WHERE n.id = object_id::uuid) ELSE false END"
)


def upgrade() -> None:
    op.execute((SQL / "number_seen_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION number_seen FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION number_seen TO numbergate_api, numbergate_worker")
    op.execute(f"ALTER POLICY api_reads ON audit USING ({BEFORE} OR {OF_A_NUMBER})")


def downgrade() -> None:
    op.execute(f"ALTER POLICY api_reads ON audit USING ({BEFORE})")
    op.execute("DROP FUNCTION number_seen")
