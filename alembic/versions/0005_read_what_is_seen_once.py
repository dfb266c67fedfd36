"""Who may read which numbers is worked out once a statement, not once a row.

A subquery that names no column is run once; as it stood, the settings were read and the list of organisations parsed
for each row, which cost more than fetching the row. What may be read is the same as before.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
BEFORE = f"tenant_id = {TENANT} OR organization_id = ANY ({SEES}) OR '*' = ANY ({SEES})"
# The cast makes it an array; without, ANY would look for rows of a subquery.
ONCE = (
    f"(SELECT '*' = ANY ({SEES})) OR tenant_id = (SELECT {TENANT}) OR organization_id = ANY ((SELECT {SEES})::text[])"
)


def upgrade() -> None:
    op.execute(f"ALTER POLICY api_reads ON numbers USING ({ONCE})")


def downgrade() -> None:
    op.execute(f"ALTER POLICY api_reads ON numbers USING ({BEFORE})")
