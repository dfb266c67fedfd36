"""A release may be owed for the end of a grace window, with a reason, and taken back until then: its step is cancelled.

A release that was taken back counts in no month.

Revision ID: 0038
"""

from pathlib import Path

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
STATES = ("waiting", "running", "done", "failed", "unresolved")


def states(*known: str) -> None:
    listed = ", ".join(f"'{state}'" for state in known)
    # A moment without a check, in one transaction, loses nothing: the new one is validated beside traffic.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE steps DROP CONSTRAINT IF EXISTS steps_state_check")
    op.execute(f"ALTER TABLE steps ADD CONSTRAINT steps_state_check CHECK (state IN ({listed})) NOT VALID")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("ALTER TABLE steps ADD COLUMN IF NOT EXISTS reason text")
    states(*STATES, "cancelled")
    op.execute((SQL / "counted_v2.sql").read_text())
    op.execute((SQL / "take_release_back_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION take_release_back FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION take_release_back TO numbergate_api, numbergate_worker")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE steps VALIDATE CONSTRAINT steps_state_check")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP FUNCTION take_release_back")
    op.execute((SQL / "counted_v1.sql").read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
    op.execute("UPDATE steps SET state = 'failed' WHERE state = 'cancelled'")
    states(*STATES)
    op.execute("ALTER TABLE steps DROP COLUMN reason")
