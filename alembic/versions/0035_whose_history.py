"""A key that is held to organisations or users is held so in the audit log too; who of staff did something, by kind.

Revision ID: 0035
"""

from pathlib import Path

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
UNHELD = " AND ".join(
    f"(SELECT nullif(current_setting('numbergate.{name}', true), '')) IS NULL" for name in ("organizations", "users")
)
# Whoever may not see a number or a purchase sees nothing of what became of it.
OF_WHAT_IS_SEEN = """
    CASE object_kind
      WHEN 'number' THEN EXISTS (SELECT FROM numbers n WHERE n.id = object_id::uuid)
      WHEN 'intent' THEN EXISTS (SELECT FROM intents i WHERE i.id = object_id::uuid)
      ELSE true
    END"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(
        "CREATE POLICY held_to ON audit AS RESTRICTIVE FOR SELECT TO numbergate_api"
        f" USING (({UNHELD}) OR {OF_WHAT_IS_SEEN})"
    )
    op.execute((SQL / "staff_among_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION staff_among FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION staff_among TO numbergate_api")


def downgrade() -> None:
    op.execute("DROP FUNCTION staff_among")
    op.execute("DROP POLICY held_to ON audit")
