"""Whoever writes to billing has idempotency keys, as administrators and operators have.

Revision ID: 0072
"""

from alembic import op

revision = "0072"
down_revision = "0071"
branch_labels = None
depends_on = None

OWN = "tenant_id = nullif(current_setting('numbergate.tenant_id', true), '')"
STAFF = "current_setting('numbergate.duty', true) IN ('admin', 'operator')"
OF_STAFF = f"({STAFF} AND tenant_id LIKE '@%')"
# Finance has no part in tenants' keys, and does not read them.
OF_ANY_STAFF = "(current_setting('numbergate.duty', true) IN ('admin', 'operator', 'finance') AND tenant_id LIKE '@%')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    _policies(f"{OWN} OR {STAFF} OR {OF_ANY_STAFF}", f"{OWN} OR {OF_ANY_STAFF}")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    _policies(f"{OWN} OR {STAFF}", f"{OWN} OR {OF_STAFF}")


def _policies(reads: str, writes: str) -> None:
    op.execute(f"ALTER POLICY api_reads ON idempotency_keys USING ({reads})")
    op.execute(f"ALTER POLICY api_inserts ON idempotency_keys WITH CHECK ({writes})")
    op.execute(f"ALTER POLICY api_updates ON idempotency_keys USING ({writes}) WITH CHECK ({writes})")
