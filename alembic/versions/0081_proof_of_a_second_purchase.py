"""An answer that named a number held already is kept as proof, where its doubt turned out to own another.

Revision ID: 0081
"""

from pathlib import Path

from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
FUNCTIONS = ("held_then", "keep_late_proof")


def upgrade() -> None:
    for function in FUNCTIONS:
        op.execute((SQL / f"{function}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO numbergate_api, numbergate_worker")
    op.execute((SQL / "settle_v7.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "settle_v6.sql").read_text())
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
