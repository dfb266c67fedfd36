"""The indexes by which a look finds what was refused by a decision, and whether its row was ever seen.

Revision ID: 0014
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEXES = {
    "refusals_by_decision": "CREATE INDEX CONCURRENTLY IF NOT EXISTS refusals_by_decision"
    " ON intents (account_id, organization_id, user_id)"
    " WHERE state = 'refused' AND decision IN ('operator', 'presumed')",
    "orphans_of_intent": "CREATE INDEX CONCURRENTLY IF NOT EXISTS orphans_of_intent"
    " ON orphans (intent_id) WHERE intent_id IS NOT NULL",
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
