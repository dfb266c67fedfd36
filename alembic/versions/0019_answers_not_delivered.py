"""Answers of creates without a key that were not delivered, for an equal request to take over.

The columns and the index come first, and can be made again; the function that asks them comes last.

Revision ID: 0019
"""

from pathlib import Path

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE intents ADD COLUMN IF NOT EXISTS fingerprint bytea")
        op.execute("ALTER TABLE intents ADD COLUMN IF NOT EXISTS undelivered_at timestamptz")
        # An interrupted build leaves an invalid index behind, so any leftover goes first.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS undelivered_answers")
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS undelivered_answers"
            " ON intents (tenant_id, fingerprint, undelivered_at) WHERE undelivered_at IS NOT NULL"
        )
    op.execute((SQL / "admit_v4.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "admit_v3.sql").read_text())
    op.execute("DROP INDEX undelivered_answers")
    op.execute("ALTER TABLE intents DROP COLUMN undelivered_at, DROP COLUMN fingerprint")
