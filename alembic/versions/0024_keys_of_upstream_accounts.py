"""Upstream accounts with keys of their own, encrypted; an organisation may have an account of its own.

A key is for whoever opens the account and for whoever administers it: no other duty reads so much as its ciphertext.
A process of the version before knows the deployment's own key alone; it is refused purchases by any other account.
Going back loses the keys, and with them every account but the deployment's own.

Revision ID: 0024
"""

from pathlib import Path

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
DUTY = "current_setting('numbergate.duty', true)"
ADMINISTERS = f"{DUTY} = 'admin'"
OPENS = f"{DUTY} IN ('upstream', 'admin')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("""
        CREATE TABLE account_keys (
          account_id uuid PRIMARY KEY REFERENCES accounts,
          sealed bytea NOT NULL,
          key_id text NOT NULL,
          hint text NOT NULL,
          revision bigint NOT NULL DEFAULT 1,
          changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          changed_by text NOT NULL
        )""")
    op.execute("ALTER TABLE account_keys ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE account_keys FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, UPDATE ON account_keys TO numbergate_api")
    op.execute("GRANT SELECT ON account_keys TO numbergate_worker")
    op.execute(f"CREATE POLICY api_reads ON account_keys FOR SELECT TO numbergate_api USING ({OPENS})")
    op.execute(f"CREATE POLICY api_inserts ON account_keys FOR INSERT TO numbergate_api WITH CHECK ({ADMINISTERS})")
    op.execute(
        f"CREATE POLICY api_updates ON account_keys FOR UPDATE TO numbergate_api"
        f" USING ({ADMINISTERS}) WITH CHECK ({ADMINISTERS})"
    )
    op.execute("CREATE POLICY worker_opens ON account_keys FOR SELECT TO numbergate_worker USING (true)")
    op.execute("CREATE POLICY owner_answers ON organizations FOR SELECT TO numbergate_owner USING (true)")
    op.execute((SQL / "teli_tenants_for_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION teli_tenants_for FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION teli_tenants_for TO numbergate_api, numbergate_worker")
    op.execute((SQL / "admit_v5.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "admit_v4.sql").read_text())
    op.execute("DROP FUNCTION teli_tenants_for")
    op.execute("DROP POLICY owner_answers ON organizations")
    op.execute("DROP TABLE account_keys")
