"""What listings show: each one taken, and every row ever seen, so that absence and novelty can be told later.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DUTY = "current_setting('numbergate.duty', true)"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE listings (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          account_id uuid NOT NULL REFERENCES accounts,
          organization_id text NOT NULL,
          began_at timestamptz NOT NULL,
          ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          row_count integer NOT NULL,
          complete boolean NOT NULL,
          trustworthy boolean NOT NULL
        )""")
    op.execute("""
        CREATE TABLE upstream_rows (
          account_id uuid NOT NULL REFERENCES accounts,
          row_id text NOT NULL,
          organization_id text NOT NULL,
          user_id text,
          phone_number text NOT NULL,
          nickname text,
          first_seen_at timestamptz NOT NULL,
          gone_at timestamptz,
          PRIMARY KEY (account_id, row_id)
        )""")
    # Who looks at which organisation next, and until when nobody else may.
    op.execute("""
        CREATE TABLE looks (
          account_id uuid NOT NULL REFERENCES accounts,
          organization_id text NOT NULL,
          looked_at timestamptz,
          lease_until timestamptz,
          PRIMARY KEY (account_id, organization_id)
        )""")
    op.execute("CREATE INDEX listings_of_organization ON listings (account_id, organization_id, began_at)")
    op.execute("CREATE INDEX rows_of_organization ON upstream_rows (account_id, organization_id, first_seen_at)")
    for table in ("listings", "looks", "upstream_rows"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT, UPDATE ON {table} TO numbergate_worker")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO numbergate_api")
        op.execute(f"CREATE POLICY api_reads ON {table} FOR SELECT TO numbergate_api USING ({DUTY} = 'operator')")


def downgrade() -> None:
    op.execute("DROP TABLE upstream_rows")
    op.execute("DROP TABLE looks")
    op.execute("DROP TABLE listings")
