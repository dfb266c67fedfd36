"""A ledger that was put back to an earlier moment notices it, and buys nothing until it knows what was bought since.

`version.server`: which server, on which timeline, the ledger was written on last; null until the first process of this
code connects.

Revision ID: 0083
"""

from pathlib import Path

from alembic import op

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
FUNCTIONS = ("begin_recovery", "notice_restore", "undecided_after_restore", "reserve_restored")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE version ADD COLUMN server text")
    op.execute("GRANT UPDATE ON stops TO numbergate_api")
    op.execute("GRANT DELETE ON stops TO numbergate_worker")
    for function in FUNCTIONS:
        op.execute((SQL / f"{function}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        allowed = "numbergate_worker" if function == "reserve_restored" else "numbergate_api, numbergate_worker"
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {allowed}")
    op.execute((SQL / "admit_v10.sql").read_text())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "admit_v9.sql").read_text())
    for function in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("REVOKE DELETE ON stops FROM numbergate_worker")
    op.execute("REVOKE UPDATE ON stops FROM numbergate_api")
    op.execute("ALTER TABLE version DROP COLUMN server")
