"""A number that was somebody's before a purchase began is not taken for its own on an answer's word alone.

Nor is a row that was listed before. What is concluded from a listing, or by a person, is evidence only where it
decides.

Revision ID: 0012
"""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
# Each after those that it calls.
FUNCTIONS = ("anothers_mark", "listed_before", "known_before", "anothers_row", "explain_orphan")


def upgrade() -> None:
    op.execute("CREATE POLICY owner_answers ON listings FOR SELECT TO numbergate_owner USING (true)")
    op.execute("CREATE POLICY owner_explains ON orphans FOR UPDATE TO numbergate_owner USING (true)")
    for name in FUNCTIONS:
        op.execute((SQL / f"{name}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO numbergate_api, numbergate_worker")
    op.execute((SQL / "settle_v3.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "settle_v2.sql").read_text())
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP POLICY owner_explains ON orphans")
    op.execute("DROP POLICY owner_answers ON listings")
