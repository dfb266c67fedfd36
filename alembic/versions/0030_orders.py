"""Orders: many numbers at once, each an item with an outcome of its own.

An order is its tenant's, or an administrator's: that one has no tenant, and is seen by administrators who see all of
its organisations. A key that is held to organisations or users sees the orders that touch no others. Whoever may see an
order sees its items. The api files what was previewed, sets it going and cancels it; what becomes of an item otherwise
is the worker's to file.

Revision ID: 0030
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
ADMINISTERS = "current_setting('numbergate.duty', true) = 'admin'"
THEIRS = f"(SELECT {ADMINISTERS}) AND ((SELECT '*' = ANY ({SEES})) OR organization_ids <@ (SELECT {SEES}))"
READS = f"tenant_id = (SELECT {TENANT}) OR ({THEIRS})"
WRITES = f"tenant_id = (SELECT {TENANT}) OR (tenant_id IS NULL AND {THEIRS})"
OF_ORDER = "EXISTS (SELECT FROM orders o WHERE o.id = order_items.order_id)"
# A tenant's order is of its own numbers alone.
FITS_ORDER = f"{OF_ORDER[:-1]} AND coalesce(o.tenant_id, order_items.tenant_id) = order_items.tenant_id)"

ORDERS = """
    CREATE TABLE orders (
      id uuid PRIMARY KEY,
      tenant_id text,
      actor text NOT NULL,
      kind text NOT NULL CHECK (kind IN ('release', 'change', 'buy')),
      state text NOT NULL
        CHECK (state IN ('previewed', 'pending', 'running', 'completed', 'partial', 'cancelled', 'failed')),
      change jsonb NOT NULL,
      selection jsonb NOT NULL,
      digest bytea NOT NULL,
      preview jsonb NOT NULL,
      counts jsonb,
      to_do integer NOT NULL CHECK (to_do >= 0),
      organization_ids text[] NOT NULL,
      user_ids text[] NOT NULL,
      undoes uuid REFERENCES orders,
      request_id text,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      expires_at timestamptz NOT NULL,
      applied_at timestamptz,
      cancelled_at timestamptz,
      ended_at timestamptz
    )"""
ITEMS = """
    CREATE TABLE order_items (
      order_id uuid NOT NULL REFERENCES orders ON DELETE CASCADE,
      seq integer NOT NULL,
      tenant_id text NOT NULL,
      account_id uuid NOT NULL,
      number_id uuid,
      phone_number text,
      shown jsonb,
      wanted jsonb,
      outcome text NOT NULL CHECK
        (outcome IN ('waiting', 'begun', 'done', 'skipped', 'failed', 'unresolved', 'cancelled')),
      reason text,
      detail text,
      step_id uuid,
      ended_at timestamptz,
      PRIMARY KEY (order_id, seq)
    )"""
INDEXES = (
    "CREATE INDEX orders_of_tenant ON orders (tenant_id, created_at, id)",
    "CREATE INDEX orders_by_time ON orders (created_at, id)",
    "CREATE INDEX orders_under_way ON orders (applied_at) WHERE state IN ('pending', 'running')",
    "CREATE INDEX previews_by_end ON orders (expires_at) WHERE state = 'previewed'",
    "CREATE INDEX order_items_waiting ON order_items (order_id, account_id, seq) WHERE outcome = 'waiting'",
    "CREATE INDEX order_items_begun ON order_items (account_id, order_id) WHERE outcome = 'begun'",
    "CREATE INDEX order_items_by_outcome ON order_items (order_id, outcome, seq)",
)
HELD = (
    "(SELECT nullif(current_setting('numbergate.{name}', true), '')) IS NULL"
    " OR {column} <@ (SELECT nullif(current_setting('numbergate.{name}', true), ''))::text[]"
)
WITHIN = " AND ".join(
    f"({HELD.format(name=name, column=column)})"
    for name, column in (("organizations", "organization_ids"), ("users", "user_ids"))
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in (ORDERS, ITEMS, *INDEXES):
        op.execute(create)
    for table in ("orders", "order_items"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO numbergate_api")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO numbergate_worker")
    op.execute(
        "GRANT UPDATE (state, request_id, applied_at, cancelled_at, ended_at, counts) ON orders TO numbergate_api"
    )
    op.execute("GRANT UPDATE (outcome, reason, detail, ended_at) ON order_items TO numbergate_api")
    op.execute("GRANT UPDATE (state, ended_at, counts) ON orders TO numbergate_worker")
    op.execute("GRANT DELETE ON orders TO numbergate_worker")
    op.execute("GRANT UPDATE (outcome, reason, detail, step_id, ended_at) ON order_items TO numbergate_worker")
    # What was set going is kept.
    op.execute(
        "CREATE POLICY worker_prunes ON orders AS RESTRICTIVE FOR DELETE TO numbergate_worker"
        " USING (state = 'previewed')"
    )
    op.execute(f"CREATE POLICY api_reads ON orders FOR SELECT TO numbergate_api USING ({READS})")
    op.execute(f"CREATE POLICY api_inserts ON orders FOR INSERT TO numbergate_api WITH CHECK ({WRITES})")
    op.execute(f"CREATE POLICY api_updates ON orders FOR UPDATE TO numbergate_api USING ({READS}) WITH CHECK ({READS})")
    op.execute(f"CREATE POLICY held_to ON orders AS RESTRICTIVE TO numbergate_api USING ({WITHIN})")
    op.execute(f"CREATE POLICY api_reads ON order_items FOR SELECT TO numbergate_api USING ({OF_ORDER})")
    op.execute(f"CREATE POLICY api_inserts ON order_items FOR INSERT TO numbergate_api WITH CHECK ({FITS_ORDER})")
    op.execute(
        "CREATE POLICY api_updates ON order_items FOR UPDATE TO numbergate_api"
        f" USING (outcome = 'waiting' AND {OF_ORDER}) WITH CHECK (outcome IN ('skipped', 'cancelled'))"
    )


def downgrade() -> None:
    op.execute("DROP TABLE order_items")
    op.execute("DROP TABLE orders")
