"""An index of agents that Teli confirmed and that are not wanted any more, by which the list of agents goes on to each.

Revision ID: 0049
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

NAME = "numbers_of_former_agent"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # An interrupted build leaves an invalid index behind, so any leftover goes first.
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {NAME} ON agent_links (confirmed, number_id)"
            " WHERE confirmed IS DISTINCT FROM desired"
        )


def downgrade() -> None:
    op.execute(f"DROP INDEX {NAME}")
