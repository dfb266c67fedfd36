"""Webhook endpoints of tenants, and what became of each event that was to be sent to one.

A tenant's own. It files an endpoint, changes and deletes it, and has events sent again; how far an endpoint has come,
whether it answers and what became of each delivery is the worker's to say.

Revision ID: 0045
"""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

OWN = "tenant_id = (SELECT nullif(current_setting('numbergate.tenant_id', true), ''))"
TABLES = {
    "webhook_endpoints": """
        CREATE TABLE webhook_endpoints (
          id uuid PRIMARY KEY,
          tenant_id text NOT NULL,
          url text NOT NULL CHECK (length(url) <= 2000),
          description text,
          types text[],
          state text NOT NULL CHECK (state IN ('active', 'disabled')),
          disabled_because text CHECK ((disabled_because IS NOT NULL) = (state = 'disabled')),
          sealed bytea NOT NULL,
          key_id text NOT NULL,
          previous_sealed bytea,
          previous_key_id text,
          previous_until timestamptz,
          position bigint NOT NULL CHECK (position >= 0),
          due_at timestamptz,
          lease uuid,
          leased_until timestamptz,
          failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
          failing_since timestamptz,
          retry_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )""",
    "webhook_deliveries": """
        CREATE TABLE webhook_deliveries (
          endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
          seq bigint NOT NULL,
          id uuid NOT NULL,
          tenant_id text NOT NULL,
          event_id uuid NOT NULL,
          kind text NOT NULL,
          state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'given_up')),
          attempts integer NOT NULL CHECK (attempts >= 0),
          first_at timestamptz,
          tried_at timestamptz,
          next_at timestamptz,
          status integer,
          error text,
          seconds double precision,
          PRIMARY KEY (endpoint_id, seq)
        )""",
}
INDEXES = (
    "CREATE INDEX webhook_endpoints_of_tenant ON webhook_endpoints (tenant_id, id)",
    "CREATE INDEX webhook_endpoints_due ON webhook_endpoints (due_at) WHERE due_at IS NOT NULL",
    "CREATE UNIQUE INDEX webhook_delivery_by_id ON webhook_deliveries (id)",
    "CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (endpoint_id, seq) WHERE state = 'waiting'",
    "CREATE INDEX webhook_deliveries_of_tenant ON webhook_deliveries (tenant_id, seq)",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in (*TABLES.values(), *INDEXES):
        op.execute(create)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY api_works ON {table} TO numbergate_api USING ({OWN}) WITH CHECK ({OWN})")
    op.execute("GRANT SELECT, INSERT, DELETE ON webhook_endpoints TO numbergate_api")
    op.execute(
        "GRANT UPDATE (url, description, types, state, disabled_because, sealed, key_id, previous_sealed,"
        " previous_key_id, previous_until, position, due_at, failures, failing_since, retry_at)"
        " ON webhook_endpoints TO numbergate_api"
    )
    op.execute("GRANT SELECT, UPDATE (state, attempts, first_at, next_at) ON webhook_deliveries TO numbergate_api")
    op.execute(
        "GRANT SELECT, UPDATE (state, disabled_because, position, due_at, lease, leased_until, failures,"
        " failing_since, retry_at) ON webhook_endpoints TO numbergate_worker"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO numbergate_worker")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
