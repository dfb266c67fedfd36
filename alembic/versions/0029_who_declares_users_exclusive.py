"""Whether a user is exclusive is an administrator's to say: a tenant files users that are not, and changes only those.

Revision ID: 0029
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

GRANTED = (
    "organization_id IN (SELECT g.organization_id FROM grants g"
    " WHERE g.tenant_id = nullif(current_setting('numbergate.tenant_id', true), ''))"
)
ADMINISTERS = "current_setting('numbergate.duty', true) = 'admin'"
BEFORE = f"{GRANTED} OR {ADMINISTERS}"
# Both of the row as it was and of the row as it becomes: the flag can neither be set nor taken away.
AFTER = f"({GRANTED} AND NOT exclusive) OR {ADMINISTERS}"


def upgrade() -> None:
    _write(AFTER)


def downgrade() -> None:
    _write(BEFORE)


def _write(writes: str) -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(f"ALTER POLICY api_inserts ON users WITH CHECK ({writes})")
    op.execute(f"ALTER POLICY api_updates ON users USING ({writes}) WITH CHECK ({writes})")
