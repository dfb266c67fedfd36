"""What Teli lists of a number otherwise than is wanted of it, and which side wins by a tenant's policy.

The worker files what listings show. Whoever sees a number sees its drift; its tenant, or an administrator for it, may
settle one. What was seen by one listing alone is only suspected, and is gone where the next does not agree.

Revision ID: 0042
"""

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
OWN, ALL = f"tenant_id = (SELECT {TENANT})", f"(SELECT '*' = ANY ({SEES}))"
OF_NUMBER = "EXISTS (SELECT FROM numbers n WHERE n.id = drifts.number_id)"


def held_to(name: str) -> str:
    return f"(SELECT nullif(current_setting('numbergate.{name}', true), ''))"


UNHELD = f"({held_to('organizations')} IS NULL AND {held_to('users')} IS NULL)"

DRIFTS = """
    CREATE TABLE drifts (
      id uuid PRIMARY KEY,
      number_id uuid NOT NULL REFERENCES numbers,
      tenant_id text NOT NULL,
      member text NOT NULL CHECK (member IN ('nickname', 'inbound_agent_id', 'outbound_agent_id', 'user_id')),
      ours text,
      theirs text,
      state text NOT NULL CHECK (state IN ('suspected', 'open', 'settled')),
      since timestamptz NOT NULL,
      seen_at timestamptz NOT NULL,
      undecided text,
      decision text CHECK (decision IN ('ours', 'theirs', 'gone')),
      reason text,
      settled_by text,
      settled_at timestamptz
    )"""
INDEXES = (
    "CREATE UNIQUE INDEX one_open_drift ON drifts (number_id, member) WHERE state <> 'settled'",
    "CREATE INDEX drifts_settled ON drifts (number_id, member, settled_at) WHERE state = 'settled'",
    "CREATE INDEX drifts_by_end ON drifts (settled_at) WHERE state = 'settled'",
    "CREATE INDEX drifts_open ON drifts (since, id) WHERE state = 'open'",
    "CREATE INDEX drifts_of_tenant ON drifts (tenant_id, since, id) WHERE state = 'open'",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in (DRIFTS, *INDEXES):
        op.execute(create)
    op.execute("ALTER TABLE drifts ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE drifts FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT ON drifts TO numbergate_api")
    op.execute("GRANT UPDATE (state, decision, reason, settled_by, settled_at) ON drifts TO numbergate_api")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON drifts TO numbergate_worker")
    op.execute(f"CREATE POLICY api_reads ON drifts FOR SELECT TO numbergate_api USING ({ALL} OR {OWN} OR {OF_NUMBER})")
    op.execute(f"CREATE POLICY api_updates ON drifts FOR UPDATE TO numbergate_api USING ({OWN}) WITH CHECK ({OWN})")
    op.execute(
        "CREATE POLICY held_to ON drifts AS RESTRICTIVE TO numbergate_api"
        f" USING (nullif({UNHELD} OR {OF_NUMBER}, false) IS NOT NULL)"
    )
    op.execute("CREATE POLICY worker_works ON drifts TO numbergate_worker USING (true) WITH CHECK (true)")
    op.execute("ALTER TABLE tenants ADD COLUMN drift text NOT NULL DEFAULT 'ask'")


def downgrade() -> None:
    op.execute("ALTER TABLE tenants DROP COLUMN drift")
    op.execute("DROP TABLE drifts")
