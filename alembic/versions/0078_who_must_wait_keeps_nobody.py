"""Turns of orders without those of whom nothing may be sent just now.

A worker of the version before asks by three parameters, and finds the function that it knows.

Revision ID: 0078
"""

from pathlib import Path

from alembic import op

revision = "0078"
down_revision = "0077"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
CLAIM = "claim_order_items(uuid, integer, float8, text[], text[])"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "claim_order_items_v3.sql").read_text())
    op.execute(f"REVOKE ALL ON FUNCTION {CLAIM} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {CLAIM} TO numbergate_worker")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(f"DROP FUNCTION {CLAIM}")
