"""Limits that are nearly used up are looked for in a time that grows with how many there are, and no faster.

Revision ID: 0063
"""

from pathlib import Path

from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "watch_quotas_v2.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "watch_quotas_v1.sql").read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
