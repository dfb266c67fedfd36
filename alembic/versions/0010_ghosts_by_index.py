"""The indexes by which the list of ghosts finds what was never listed, and what could not be released.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

INDEXES = {
    "numbers_unconfirmed": "CREATE INDEX CONCURRENTLY IF NOT EXISTS numbers_unconfirmed"
    " ON numbers (account_id, organization_id) WHERE confirmed_at IS NULL",
    "steps_unresolved": "CREATE INDEX CONCURRENTLY IF NOT EXISTS steps_unresolved"
    " ON steps (number_id) WHERE state = 'unresolved'",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, build in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(build)


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
