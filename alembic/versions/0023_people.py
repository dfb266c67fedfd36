"""People log in: their sessions; and tenants that an access token names.

A process sees and ends the one session whose keyed hash it says (`numbergate.session`); an administrator all of them.

Revision ID: 0023
"""

from pathlib import Path

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
ADMINISTERS = "current_setting('numbergate.duty', true) = 'admin'"
PRESENTED = "hash = decode(nullif(current_setting('numbergate.session', true), ''), 'hex')"


def upgrade() -> None:
    op.execute((SQL / "tenant_named_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION tenant_named FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION tenant_named TO numbergate_api, numbergate_worker")
    op.execute(
        """
        CREATE TABLE sessions (
          id uuid PRIMARY KEY,
          hash bytea NOT NULL UNIQUE,
          issuer text NOT NULL,
          subject text NOT NULL,
          groups text[] NOT NULL,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          expires_at timestamptz NOT NULL,
          ended_at timestamptz
        )"""
    )
    op.execute("CREATE INDEX sessions_by_end ON sessions (expires_at)")
    op.execute("ALTER TABLE sessions ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE sessions FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, UPDATE ON sessions TO numbergate_api")
    op.execute("GRANT SELECT, DELETE ON sessions TO numbergate_worker")
    theirs = f"{PRESENTED} OR {ADMINISTERS}"
    op.execute(f"CREATE POLICY api_reads ON sessions FOR SELECT TO numbergate_api USING ({theirs})")
    op.execute(f"CREATE POLICY api_inserts ON sessions FOR INSERT TO numbergate_api WITH CHECK ({ADMINISTERS})")
    op.execute(
        f"CREATE POLICY api_updates ON sessions FOR UPDATE TO numbergate_api USING ({theirs}) WITH CHECK ({theirs})"
    )
    op.execute("CREATE POLICY worker_works ON sessions TO numbergate_worker USING (true)")


def downgrade() -> None:
    op.execute("DROP TABLE sessions")
    op.execute("DROP FUNCTION tenant_named")
