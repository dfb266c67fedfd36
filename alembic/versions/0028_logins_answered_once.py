"""A login is answered once, on whichever replica the answer arrives.

Revision ID: 0028
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

ADMINISTERS = "current_setting('numbergate.duty', true) = 'admin'"


def upgrade() -> None:
    op.execute("CREATE TABLE answered_logins (hash bytea PRIMARY KEY, expires_at timestamptz NOT NULL)")
    op.execute("CREATE INDEX answered_logins_by_end ON answered_logins (expires_at)")
    op.execute("ALTER TABLE answered_logins ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE answered_logins FORCE ROW LEVEL SECURITY")
    op.execute("GRANT INSERT ON answered_logins TO numbergate_api")
    op.execute("GRANT SELECT, DELETE ON answered_logins TO numbergate_worker")
    op.execute(f"CREATE POLICY api_inserts ON answered_logins FOR INSERT TO numbergate_api WITH CHECK ({ADMINISTERS})")
    op.execute("CREATE POLICY worker_works ON answered_logins TO numbergate_worker USING (true)")


def downgrade() -> None:
    op.execute("DROP TABLE answered_logins")
