"""An order that touches nothing is within the limits of no key but one that is named in it.

Revision ID: 0050
"""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

SAID = "(SELECT nullif(current_setting('numbergate.{name}', true), ''))"
# An empty list is within every other.
HELD = SAID + " IS NULL OR ({column} <@ " + SAID + "::text[] AND {column} <> '{{}}')"
HELD_BEFORE = SAID + " IS NULL OR {column} <@ " + SAID + "::text[]"


def _both(held: str) -> str:
    return " AND ".join(
        f"({held.format(name=name, column=column)})"
        for name, column in (("organizations", "organization_ids"), ("users", "user_ids"))
    )


def upgrade() -> None:
    # What is written is checked as before: code that is still serving files such orders without limits.
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(f"ALTER POLICY held_to ON orders USING ({_both(HELD)}) WITH CHECK ({_both(HELD_BEFORE)})")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(f"ALTER POLICY held_to ON orders USING ({_both(HELD_BEFORE)}) WITH CHECK ({_both(HELD_BEFORE)})")
