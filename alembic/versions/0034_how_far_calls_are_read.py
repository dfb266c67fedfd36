"""How far the calls of each organisation are read, so that it is known since when a number is idle.

The worker writes all of it. Whoever may see an organisation may see how far its calls are read, and no more.

Revision ID: 0034
"""

from pathlib import Path

from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
GRANTED = f"organization_id IN (SELECT g.organization_id FROM grants g WHERE g.tenant_id = {TENANT})"
READS = f"(SELECT '*' = ANY ({SEES})) OR organization_id = ANY ((SELECT {SEES})::text[]) OR {GRANTED}"

TABLES = {
    "call_reads": """
        CREATE TABLE call_reads (
          account_id uuid NOT NULL REFERENCES accounts,
          organization_id text NOT NULL,
          status text NOT NULL CHECK (status IN ('ended', 'error', 'ongoing')),
          judged_from timestamptz,
          read_until timestamptz,
          window_from timestamptz,
          window_to timestamptz,
          left_to timestamptz,
          due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          failures integer NOT NULL DEFAULT 0,
          PRIMARY KEY (account_id, organization_id, status)
        )""",
    "bare_calls": """
        CREATE TABLE bare_calls (
          account_id uuid NOT NULL REFERENCES accounts,
          organization_id text NOT NULL,
          call_id text NOT NULL,
          user_id text,
          started_at timestamptz NOT NULL,
          tries integer NOT NULL DEFAULT 0,
          due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          looked_up_at timestamptz,
          PRIMARY KEY (account_id, call_id)
        )""",
    "call_paces": """
        CREATE TABLE call_paces (
          account_id uuid NOT NULL REFERENCES accounts,
          kind text NOT NULL CHECK (kind IN ('listing', 'look_up')),
          next_at timestamptz NOT NULL,
          PRIMARY KEY (account_id, kind)
        )""",
}
INDEXES = (
    "CREATE INDEX call_reads_due ON call_reads (account_id, due_at)",
    "CREATE INDEX bare_calls_of_organization ON bare_calls (account_id, organization_id, started_at)",
    "CREATE INDEX bare_calls_to_look_up ON bare_calls (account_id, started_at) WHERE looked_up_at IS NULL",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in (*TABLES.values(), *INDEXES):
        op.execute(create)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO numbergate_worker")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT DELETE ON bare_calls TO numbergate_worker")
    op.execute("GRANT SELECT (account_id, organization_id, judged_from, read_until) ON call_reads TO numbergate_api")
    op.execute(f"CREATE POLICY api_reads ON call_reads FOR SELECT TO numbergate_api USING ({READS})")
    for function in ("others_among", "user_shared"):
        op.execute((SQL / f"{function}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO numbergate_api")


def downgrade() -> None:
    for function in ("user_shared", "others_among"):
        op.execute(f"DROP FUNCTION {function}")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
