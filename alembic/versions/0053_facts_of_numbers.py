"""Numbers that were there before facts were noted get one each, placed before all others: changes go on meanwhile.

Revision ID: 0053
"""

from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        INSERT INTO number_facts (seq, number_id, valid_at, tenant_id, organization_id, user_id, holder_user_id,
          cost_center, tags, number_type, area_code, acquired_at, ended_at, price_setup, price_monthly,
          price_currency)
        OVERRIDING SYSTEM VALUE
        SELECT -row_number() OVER (), id, acquired_at, tenant_id, organization_id, user_id, holder_user_id,
          cost_center, tags, number_type, area_code, acquired_at,
          coalesce(released_at, CASE WHEN state = 'missing' THEN now() END), price_setup, price_monthly,
          price_currency
        FROM numbers""")


def downgrade() -> None:
    op.execute("DELETE FROM number_facts WHERE seq < 0")
