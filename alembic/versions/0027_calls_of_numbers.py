"""When a number was last called and last called out, and since when it has been idle.

Null is unknown: a number of which no call was looked for is not idle for that. The worker writes them.

Revision ID: 0027
"""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE numbers ADD COLUMN last_inbound_call_at timestamptz,"
        " ADD COLUMN last_outbound_call_at timestamptz, ADD COLUMN idle_since timestamptz"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE numbers DROP COLUMN idle_since, DROP COLUMN last_outbound_call_at,"
        " DROP COLUMN last_inbound_call_at"
    )
