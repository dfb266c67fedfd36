"""A price is for an organisation that is known here, as a budget is.

What was filed before stays, also for an organisation that nobody knows: it is never changed. Hence not validated.

Revision ID: 0069
"""

from alembic import op

revision = "0069"
down_revision = "0068"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(
        "ALTER TABLE price_versions ADD CONSTRAINT price_versions_organization_id_fkey"
        " FOREIGN KEY (organization_id) REFERENCES organizations NOT VALID"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE price_versions DROP CONSTRAINT price_versions_organization_id_fkey")
