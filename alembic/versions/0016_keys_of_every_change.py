"""A key names an intent, a step, or an answer, and knows when it expires; administrators and operators have keys too.

Going back loses the keys that name no intent, for which the former schema has no place: a change that is sent again
then is made again.

Revision ID: 0016
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
OWN = f"tenant_id = {TENANT}"
STAFF = "current_setting('numbergate.duty', true) IN ('admin', 'operator')"
# Of an administrator or operator, not of a tenant: no tenant's id begins so.
STAFFS = f"({STAFF} AND tenant_id LIKE '@%')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN step_id uuid")
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN answer jsonb")
    op.execute("ALTER TABLE idempotency_keys ADD COLUMN expires_at timestamptz")
    # The process before this one reads keys of creates alone, and these have it.
    op.execute("-- squawk-ignore ban-drop-not-null\nALTER TABLE idempotency_keys ALTER COLUMN intent_id DROP NOT NULL")
    op.execute(
        "ALTER TABLE idempotency_keys ADD CONSTRAINT names_one_thing"
        " CHECK (num_nonnulls(intent_id, step_id, answer) = 1) NOT VALID"
    )
    op.execute(f"ALTER POLICY api_reads ON idempotency_keys USING ({OWN} OR {STAFF})")
    op.execute(f"ALTER POLICY api_inserts ON idempotency_keys WITH CHECK ({OWN} OR {STAFFS})")
    op.execute(f"ALTER POLICY api_updates ON idempotency_keys USING ({OWN} OR {STAFFS}) WITH CHECK ({OWN} OR {STAFFS})")
    op.execute("GRANT DELETE ON idempotency_keys TO numbergate_worker")


def downgrade() -> None:
    op.execute("CREATE POLICY owner_takes_back ON idempotency_keys TO numbergate_owner USING (true)")
    op.execute("DELETE FROM idempotency_keys WHERE intent_id IS NULL")
    op.execute("DROP POLICY owner_takes_back ON idempotency_keys")
    op.execute("REVOKE DELETE ON idempotency_keys FROM numbergate_worker")
    op.execute(f"ALTER POLICY api_updates ON idempotency_keys USING ({OWN}) WITH CHECK ({OWN})")
    op.execute(f"ALTER POLICY api_inserts ON idempotency_keys WITH CHECK ({OWN})")
    op.execute(f"ALTER POLICY api_reads ON idempotency_keys USING ({OWN})")
    op.execute("ALTER TABLE idempotency_keys DROP CONSTRAINT names_one_thing")
    op.execute("ALTER TABLE idempotency_keys ALTER COLUMN intent_id SET NOT NULL")
    for column in ("expires_at", "answer", "step_id"):
        op.execute(f"ALTER TABLE idempotency_keys DROP COLUMN {column}")
