"""How much of what is ordered at once is a tenant's: a weight, as part of its policy.

What was written by hand into `order_shares.weight` holds no longer: it is now what the policy said at the last claim.

Revision ID: 0065
"""

from pathlib import Path

from alembic import op

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(
        "ALTER TABLE tenants ADD COLUMN order_weight smallint NOT NULL DEFAULT 1"
        " CONSTRAINT tenants_order_weight CHECK (order_weight BETWEEN 1 AND 100)"
    )
    op.execute((SQL / "claim_order_items_v2.sql").read_text())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    source = (SQL / "claim_order_items_v1.sql").read_text()
    op.execute(source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    op.execute("-- squawk-ignore ban-drop-column\nALTER TABLE tenants DROP COLUMN order_weight")
