"""A request's rate is read together with who makes it.

A function beside `principal_for`, and no new version of that: the process before this one has its plan prepared, and a
statement whose columns have changed fails once in each of its connections.

Revision ID: 0018
"""

from pathlib import Path

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "rate_for_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION rate_for FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION rate_for TO numbergate_api, numbergate_worker")


def downgrade() -> None:
    op.execute("DROP FUNCTION rate_for")
