"""A number that proves to be older than the first that is known of it is charged to its first owner in one piece.

Revision ID: 0058
"""

from pathlib import Path

from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "charges_due_v2.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "charges_due_v1.sql").read_text())
