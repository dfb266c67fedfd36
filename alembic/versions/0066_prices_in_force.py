"""What a number costs is asked of the price book, in one place, by whoever shows it.

Whoever sees a number sees the facts and the prices that its charges rest on; so far those of its tenant and finance.

Revision ID: 0066
"""

from pathlib import Path

from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
FUNCTIONS = ("price_in_force", "price_of_new", "costs_of")
TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
FINANCE = "(SELECT current_setting('numbergate.duty', true) = 'finance')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
SEEN = f"(organization_id = ANY ((SELECT {SEES})::text[]) OR (SELECT '*' = ANY ({SEES})))"
GRANTED = f"SELECT g.organization_id FROM grants g WHERE g.tenant_id = {TENANT}"


def within(column: str, name: str) -> str:
    setting = f"(SELECT nullif(current_setting('numbergate.{name}', true), ''))"
    return f"coalesce({column} = ANY ({setting}::text[]), true)"


HELD = f"{within('organization_id', 'organizations')} AND {within('user_id', 'users')}"


def read_by(seen: str) -> None:
    op.execute(f"ALTER POLICY api_reads ON number_facts USING ({HELD} AND (tenant_id = (SELECT {TENANT}) OR {seen}))")
    op.execute(
        "ALTER POLICY api_reads ON price_versions"
        f" USING (organization_id IS NULL OR organization_id IN ({GRANTED}) OR {seen})"
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for name in FUNCTIONS:
        op.execute((SQL / f"{name}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO numbergate_api, numbergate_worker")
    read_by(SEEN)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    read_by(f"({FINANCE} AND {SEEN})")
    op.execute(f"DROP FUNCTION {', '.join(reversed(FUNCTIONS))}")
