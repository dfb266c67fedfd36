"""The indexes by which admission finds a number to be had again, and the resolver what is watched though refused.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = {
    "spare_numbers_of_user": "CREATE INDEX CONCURRENTLY IF NOT EXISTS spare_numbers_of_user"
    " ON orphans (tenant_id, user_id) WHERE state = 'open' AND reason = 'refused_intent'",
    "watched_refusals": "CREATE INDEX CONCURRENTLY IF NOT EXISTS watched_refusals"
    " ON intents (account_id, organization_id, decided_at)"
    " WHERE state = 'refused' AND decision IN ('bad_request', 'rate_limited')",
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
