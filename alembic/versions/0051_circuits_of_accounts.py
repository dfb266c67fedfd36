"""How Teli takes an account's purchases, for all replicas: whether it is let rest, and how much orders send at once.

An account without a row is well; the version before writes none.

Revision ID: 0051
"""

from pathlib import Path

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(
        """
        CREATE TABLE account_flow (
          account_id uuid PRIMARY KEY REFERENCES accounts,
          rests_until timestamptz,
          opened integer NOT NULL DEFAULT 0,
          at_a_time double precision CHECK (at_a_time >= 1),
          eased_at timestamptz,
          orders_wait_until timestamptz
        )"""
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON account_flow TO numbergate_api, numbergate_worker")
    op.execute((SQL / "orders_slots_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION orders_slots FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION orders_slots TO numbergate_api, numbergate_worker")
    op.execute((SQL / "admit_v7.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "admit_v6.sql").read_text())
    op.execute("DROP FUNCTION orders_slots")
    op.execute("DROP TABLE account_flow")
