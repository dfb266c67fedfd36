"""Webhook endpoints that let us wait, until when they count as such: they share a part of the worker's turns.

Revision ID: 0070
"""

from alembic import op

revision = "0070"
down_revision = "0069"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE webhook_endpoints ADD COLUMN slow_until timestamptz")
    op.execute("GRANT UPDATE (slow_until) ON webhook_endpoints TO numbergate_worker")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("-- squawk-ignore ban-drop-column\nALTER TABLE webhook_endpoints DROP COLUMN slow_until")
