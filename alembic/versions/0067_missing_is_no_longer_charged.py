"""What was decided to be missing has ended for good, whatever is changed of it later; and a key that is limited to
organisations is shown no price of others.

Revision ID: 0067
"""

from pathlib import Path

from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
FACTS = (
    "tenant_id", "organization_id", "user_id", "holder_user_id", "cost_center", "tags", "number_type", "area_code",
    "acquired_at", "released_at", "price_setup", "price_monthly", "price_currency",
)  # fmt: skip
# One that was missing and is held after all, once it could not be given back.
HELD_AGAIN = " OR (OLD.state = 'releasing' AND NEW.state IN ('active', 'release_scheduled'))"
LIMITED = "(SELECT nullif(current_setting('numbergate.organizations', true), ''))::text[]"


def noted_where(more: str) -> None:
    old, new = (", ".join(f"{row}.{name}" for name in FACTS) for row in ("OLD", "NEW"))
    op.execute(
        "CREATE OR REPLACE TRIGGER a_change_is_a_fact AFTER UPDATE ON numbers FOR EACH ROW"
        f" WHEN (ROW({old}) IS DISTINCT FROM ROW({new}) OR (OLD.state = 'missing') <> (NEW.state = 'missing'){more})"
        " EXECUTE FUNCTION note_fact()"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute((SQL / "note_fact_v2.sql").read_text())
    noted_where(HELD_AGAIN)
    op.execute(
        "CREATE POLICY held_to ON price_versions AS RESTRICTIVE FOR SELECT TO numbergate_api"
        f" USING (organization_id IS NULL OR coalesce(organization_id = ANY ({LIMITED}), true))"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP POLICY held_to ON price_versions")
    noted_where("")
    op.execute((SQL / "note_fact_v1.sql").read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
