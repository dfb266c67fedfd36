"""Events are numbered by the worker, tenant by tenant in the order of commit, and forgotten after a while.

Those of before have no number yet, and get theirs by their ids, oldest first. What is numbered is as it was written:
the worker may set nothing else of it, and takes away only what was numbered. Every statement can be run again, for an
index that is built beside traffic cannot be rolled back together with what stands before it.

Revision ID: 0036
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
# Again is harmless.
AGAIN = "-- squawk-ignore prefer-robust-stmts\n"
HEADS = """
    CREATE TABLE IF NOT EXISTS event_heads (
      tenant_id text PRIMARY KEY,
      seq bigint NOT NULL CHECK (seq > 0),
      pruned bigint NOT NULL DEFAULT 0 CHECK (pruned BETWEEN 0 AND seq)
    )"""
INDEXES = {
    "outbox_to_number": "CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_to_number ON outbox (id) WHERE seq IS NULL",
    "outbox_of_tenant": "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS outbox_of_tenant ON outbox (tenant_id, seq)"
    " WHERE seq IS NOT NULL",
    "outbox_by_time": "CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_by_time ON outbox (published_at)"
    " WHERE published_at IS NOT NULL",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS seq bigint")
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS event_id uuid")
    op.execute("ALTER TABLE outbox ADD COLUMN IF NOT EXISTS published_at timestamptz")
    op.execute(HEADS)
    op.execute(f"{AGAIN}ALTER TABLE event_heads ENABLE ROW LEVEL SECURITY")
    op.execute(f"{AGAIN}ALTER TABLE event_heads FORCE ROW LEVEL SECURITY")
    op.execute("DROP POLICY IF EXISTS api_reads ON event_heads")
    op.execute(
        f"CREATE POLICY api_reads ON event_heads FOR SELECT TO numbergate_api USING (tenant_id = (SELECT {TENANT}))"
    )
    op.execute("DROP POLICY IF EXISTS worker_works ON event_heads")
    op.execute("CREATE POLICY worker_works ON event_heads TO numbergate_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT ON event_heads TO numbergate_api")
    op.execute("GRANT SELECT, INSERT, UPDATE ON event_heads TO numbergate_worker")
    op.execute(f"{AGAIN}ALTER POLICY api_reads ON outbox USING (tenant_id = (SELECT {TENANT}))")
    op.execute("DROP POLICY IF EXISTS worker_prunes ON outbox")
    op.execute(
        "CREATE POLICY worker_prunes ON outbox AS RESTRICTIVE FOR DELETE TO numbergate_worker USING (seq IS NOT NULL)"
    )
    op.execute("GRANT UPDATE (seq, event_id, published_at), DELETE ON outbox TO numbergate_worker")
    with op.get_context().autocommit_block():
        for name, build in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(build)


def downgrade() -> None:
    op.execute("REVOKE UPDATE (seq, event_id, published_at), DELETE ON outbox FROM numbergate_worker")
    op.execute("DROP POLICY worker_prunes ON outbox")
    op.execute(f"ALTER POLICY api_reads ON outbox USING (tenant_id = {TENANT})")
    op.execute("DROP TABLE event_heads")
    op.execute("ALTER TABLE outbox DROP COLUMN seq, DROP COLUMN event_id, DROP COLUMN published_at")
