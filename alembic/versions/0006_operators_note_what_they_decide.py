"""An operator reads the audit log, as far as to be told what was just written there.

An entry is written with RETURNING, which needs the right to read it; without, a decision about something that is no
tenant's could not be noted, and so not be made.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
DUTY = "current_setting('numbergate.duty', true)"
BEFORE = f"tenant_id = {TENANT} OR {DUTY} = 'admin'"


def upgrade() -> None:
    op.execute(f"ALTER POLICY api_reads ON audit USING ({BEFORE} OR {DUTY} = 'operator')")


def downgrade() -> None:
    op.execute(f"ALTER POLICY api_reads ON audit USING ({BEFORE})")
