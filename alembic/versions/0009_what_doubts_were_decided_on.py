"""What doubts were decided on, for operators; and the worker may delete it, and old listings.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

DUTY = "current_setting('numbergate.duty', true)"
# Of what an operator may see, for the policy of intents holds here too.
SEEN = "EXISTS (SELECT FROM intents i WHERE i.id = decided_on.intent_id)"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE decided_on (
          intent_id uuid NOT NULL,
          tenant_id text NOT NULL,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          kind text NOT NULL CHECK (kind IN ('seen', 'only_new_row', 'absent', 'presumed')),
          payload bytea NOT NULL CHECK (octet_length(payload) <= 65536),
          PRIMARY KEY (intent_id, kind)
        )""")
    # It is compressed already.
    op.execute("ALTER TABLE decided_on ALTER COLUMN payload SET STORAGE EXTERNAL")
    op.execute("CREATE INDEX decided_on_by_age ON decided_on (at)")
    op.execute("ALTER TABLE decided_on ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE decided_on FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON decided_on TO numbergate_worker")
    op.execute("CREATE POLICY worker_works ON decided_on TO numbergate_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT ON decided_on TO numbergate_api")
    op.execute(
        f"CREATE POLICY api_reads ON decided_on FOR SELECT TO numbergate_api USING ({DUTY} = 'operator' AND {SEEN})"
    )
    op.execute("GRANT DELETE ON listings TO numbergate_worker")


def downgrade() -> None:
    op.execute("REVOKE DELETE ON listings FROM numbergate_worker")
    op.execute("DROP TABLE decided_on")
