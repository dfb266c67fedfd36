"""A saved filter that names an organisation or a user is not of a key that is limited to others.

Revision ID: 0054
"""

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None


def within(column: str, name: str) -> str:
    setting = f"(SELECT nullif(current_setting('numbergate.{name}', true), ''))"
    return f"coalesce({column} = ANY ({setting}::text[]), true)"


SHARED = within("organization_id", "organizations")
NAMED = " AND ".join(
    within(f"(filters ->> '{member}')", name)
    for member, name in (("organization_id", "organizations"), ("user_id", "users"), ("holder_user_id", "users"))
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    # What is written is checked as before: code that is still serving lets such a key name anybody.
    op.execute(f"ALTER POLICY held_to ON saved_filters USING ({SHARED} AND {NAMED}) WITH CHECK ({SHARED})")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(f"ALTER POLICY held_to ON saved_filters USING ({SHARED}) WITH CHECK ({SHARED})")
