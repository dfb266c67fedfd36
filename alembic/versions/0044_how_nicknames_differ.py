"""How nicknames and silences are distributed, for the planner.

Of an expression it knows what it is told to look at; indexes of a part of the rows tell it nothing. Without this it
takes a nickname's first letter for as rare as the whole of it, and goes through two million numbers for a handful.

Revision ID: 0044
"""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

STATISTICS = {
    "nicknames_of_numbers": "(coalesce(lower(nickname), '') COLLATE \"C\")",
    "silences_of_numbers": "(coalesce(idle_since, 'infinity'::timestamptz))",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, expression in STATISTICS.items():
            op.execute(f"CREATE STATISTICS IF NOT EXISTS {name} ON {expression} FROM numbers")
        # They say nothing before; and autovacuum comes by when enough has changed, which may take days.
        op.execute("ANALYZE numbers")


def downgrade() -> None:
    for name in STATISTICS:
        op.execute(f"DROP STATISTICS {name}")
