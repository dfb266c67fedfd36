"""Audit rows are chained by the worker, after their transactions: each link is a hash of its row and the link before.

`xid` tells by which transaction a row was written, and so whether a later snapshot holds it. Rows of before have none;
they are chained first, by their ids. Every statement here can be run again, for an index that is built beside traffic
cannot be rolled back together with what stands before it.

Revision ID: 0025
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TABLES = {
    "audit_chain": """
        CREATE TABLE IF NOT EXISTS audit_chain (
          seq bigint PRIMARY KEY CHECK (seq > 0),
          audit_id bigint NOT NULL UNIQUE,
          hash bytea NOT NULL CHECK (length(hash) = 32)
        )""",
    # Where the worker stands; no evidence of anything.
    "audit_progress": """
        CREATE TABLE IF NOT EXISTS audit_progress (
          one boolean PRIMARY KEY DEFAULT true CHECK (one),
          system_id bigint NOT NULL,
          done text,
          doing text,
          at_xid bigint NOT NULL,
          at_id bigint NOT NULL
        )""",
}
# Links are inserted by the worker alone, and by nobody changed or taken away.
WORKER_MAY = {"audit_chain": "SELECT, INSERT", "audit_progress": "SELECT, INSERT, UPDATE"}
ADMINISTERS = "current_setting('numbergate.duty', true) = 'admin'"
# Again is harmless.
AGAIN = "-- squawk-ignore prefer-robust-stmts\n"
INDEXES = {
    "audit_by_xid": "CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_by_xid ON audit (xid, id) WHERE xid IS NOT NULL",
    # Rows come in the order of time, nearly: a few bytes for each megabyte, and next to nothing for each row.
    "audit_by_time": "CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_by_time ON audit USING brin (at)",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE audit ADD COLUMN IF NOT EXISTS xid bigint")
    op.execute(f"{AGAIN}ALTER TABLE audit ALTER COLUMN xid SET DEFAULT (pg_current_xact_id()::text::bigint)")
    for table, create in TABLES.items():
        op.execute(create)
        op.execute(f"{AGAIN}ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"{AGAIN}ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"DROP POLICY IF EXISTS api_reads ON {table}")
        op.execute(f"CREATE POLICY api_reads ON {table} FOR SELECT TO numbergate_api USING ({ADMINISTERS})")
        op.execute(f"DROP POLICY IF EXISTS worker_works ON {table}")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO numbergate_api")
        op.execute(f"GRANT {WORKER_MAY[table]} ON {table} TO numbergate_worker")
    with op.get_context().autocommit_block():
        for name, build in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(build)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE audit DROP COLUMN xid")
    op.execute("DROP INDEX audit_by_time")
