"""Policies of tenants: agents and area codes that are allowed, reuse of orphans, write-off.

Columns of the tenant, as `idempotency_required` is: each tenant has one policy, under the tenant's own row-level
security. The process before this one names the columns that it reads, and goes on without these. A request's policy is
read together with who makes it, by a function beside `principal_for`, for the reason given in 0018.

Revision ID: 0022
"""

from pathlib import Path

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    # The write-off in seconds, infinity for never. Null is the default of each: any, any, the deployment's.
    op.execute(
        "ALTER TABLE tenants ADD COLUMN agents_allowed text[], ADD COLUMN area_codes_allowed text[],"
        " ADD COLUMN orphan_reuse boolean NOT NULL DEFAULT true, ADD COLUMN write_off double precision"
    )
    op.execute((SQL / "policy_for_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION policy_for FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION policy_for TO numbergate_api, numbergate_worker")


def downgrade() -> None:
    op.execute("DROP FUNCTION policy_for")
    op.execute(
        "ALTER TABLE tenants DROP COLUMN write_off, DROP COLUMN orphan_reuse, DROP COLUMN area_codes_allowed,"
        " DROP COLUMN agents_allowed"
    )
