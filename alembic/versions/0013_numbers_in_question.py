"""Whether somebody else may have a number's E.164 by now is asked before Teli is told anything by E.164, and by index.

The function comes after the indexes, which are built beside traffic: this can be run again from any point.

Revision ID: 0013
"""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
INDEXES = {
    "doubts_by_number": "CREATE INDEX CONCURRENTLY IF NOT EXISTS doubts_by_number"
    " ON intents (account_id, named_number) WHERE state IN ('doubtful', 'unresolved') AND named_number IS NOT NULL",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, build in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(build)
    op.execute((SQL / "number_in_question_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION number_in_question FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION number_in_question TO numbergate_api, numbergate_worker")


def downgrade() -> None:
    op.execute("DROP FUNCTION number_in_question")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
