"""Finance reads what tenants and organisations are called, whose charges it reads anyway.

Revision ID: 0074
"""

from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None

# Whoever sees all; a tenant's own key that reads its bill does not.
FINANCE = (
    "(SELECT current_setting('numbergate.duty', true) = 'finance'"
    " AND '*' = ANY (coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]))"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for table in ("organizations", "tenants"):
        op.execute(f"CREATE POLICY finance_names ON {table} FOR SELECT TO numbergate_api USING ({FINANCE})")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for table in ("organizations", "tenants"):
        op.execute(f"DROP POLICY finance_names ON {table}")
