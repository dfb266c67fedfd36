"""A caller's transactions are held to that caller, whatever they claim; a tenant sees no other's stop.

Who may read which purchases, steps and links is worked out once a statement, as it is of numbers. Whoever sees a number
sees those, and to which numbers that is, the policy of the numbers says.

Revision ID: 0026
"""

from pathlib import Path

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
DUTY = "current_setting('numbergate.duty', true)"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
SEEN = f"(organization_id = ANY ({SEES}) OR '*' = ANY ({SEES}))"
STAFF = f"{DUTY} IN ('admin', 'operator')"
OF_NUMBER = "EXISTS (SELECT FROM numbers n WHERE n.id = {}.number_id)"
OWN, ALL = f"tenant_id = (SELECT {TENANT})", f"(SELECT '*' = ANY ({SEES}))"
BEFORE = {
    "intents": f"tenant_id = {TENANT} OR {SEEN}",
    "agent_links": f"tenant_id = {TENANT} OR {DUTY} = 'admin'"
    f" OR EXISTS (SELECT FROM numbers n WHERE n.id = agent_links.number_id AND {SEEN})",
    "steps": f"tenant_id = {TENANT} OR EXISTS (SELECT FROM numbers n WHERE n.id = steps.number_id AND {SEEN})",
}
AFTER = {
    # The cast makes it an array; without, ANY would look for rows of a subquery.
    "intents": f"{ALL} OR {OWN} OR organization_id = ANY ((SELECT {SEES})::text[])",
    "agent_links": f"{ALL} OR {OWN} OR (SELECT {DUTY} = 'admin') OR {OF_NUMBER.format('agent_links')}",
    "steps": f"{ALL} OR {OWN} OR {OF_NUMBER.format('steps')}",
}


def upgrade() -> None:
    op.execute((SQL / "act_as_v2.sql").read_text())
    op.execute("SET LOCAL lock_timeout = '4s'")
    # In the order in which a purchase takes them, so that the two wait for one another in turn.
    op.execute("LOCK TABLE intents, steps, agent_links, stops IN ACCESS EXCLUSIVE MODE")
    # Admission must know of those that hold up its own tenant, and of them alone.
    op.execute(
        "CREATE POLICY api_reads ON stops FOR SELECT TO numbergate_api"
        f" USING (scope <> 'tenant' OR id = {TENANT} OR {STAFF})"
    )
    op.execute(f"CREATE POLICY api_inserts ON stops FOR INSERT TO numbergate_api WITH CHECK ({STAFF})")
    op.execute(f"CREATE POLICY api_deletes ON stops FOR DELETE TO numbergate_api USING ({STAFF})")
    op.execute("CREATE POLICY worker_works ON stops TO numbergate_worker USING (true) WITH CHECK (true)")
    op.execute("ALTER TABLE stops ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE stops FORCE ROW LEVEL SECURITY")
    for table, reads in AFTER.items():
        op.execute(f"ALTER POLICY api_reads ON {table} USING ({reads})")


def downgrade() -> None:
    for table, reads in BEFORE.items():
        op.execute(f"ALTER POLICY api_reads ON {table} USING ({reads})")
    op.execute("ALTER TABLE stops DISABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE stops NO FORCE ROW LEVEL SECURITY")
    for policy in ("worker_works", "api_deletes", "api_inserts", "api_reads"):
        op.execute(f"DROP POLICY {policy} ON stops")
    op.execute((SQL / "act_as_v1.sql").read_text().replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
