"""What all hold together is added up from what each tenant holds, where no limit of all has it counted.

Revision ID: 0084
"""

from pathlib import Path

from alembic import op

revision = "0084"
down_revision = "0083"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute((SQL / "quota_standing_v2.sql").read_text())


def downgrade() -> None:
    op.execute("DROP FUNCTION quota_standing")
    op.execute((SQL / "quota_standing_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION quota_standing FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION quota_standing TO numbergate_api, numbergate_worker")
