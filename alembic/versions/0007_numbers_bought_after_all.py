"""Numbers that a refused intent bought after all are had by the next purchase, before anything new is bought.

Admission names one, and settling takes it. What is asked about numbers held elsewhere sees adopted ones too, which no
intent bought.

Revision ID: 0007
"""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
OWNER_READS = ("orphans", "upstream_rows")


def upgrade() -> None:
    for table in OWNER_READS:
        op.execute(f"CREATE POLICY owner_answers ON {table} FOR SELECT TO numbergate_owner USING (true)")
    op.execute((SQL / "spare_number_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION spare_number FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION spare_number TO numbergate_api, numbergate_worker")
    for name in ("held_elsewhere", "admit", "settle", "lapse_sends"):
        op.execute((SQL / f"{name}_v2.sql").read_text())


def downgrade() -> None:
    for name in ("held_elsewhere", "admit", "settle", "lapse_sends"):
        before = (SQL / f"{name}_v1.sql").read_text()
        op.execute(before.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    op.execute("DROP FUNCTION spare_number")
    for table in OWNER_READS:
        op.execute(f"DROP POLICY owner_answers ON {table}")
