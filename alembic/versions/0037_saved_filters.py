"""Filters of the inventory that are saved, each its owner's alone or shared in an organisation.

Its owner is a tenant or, of whoever acts for none, an `@` and who: that is said by `numbergate.actor`, which the
transactions of nobody else say. Where it is shared, whoever is granted the organisation reads it, and who acts for no
tenant and sees the organisation changes it too. Whoever acts for no tenant notes what it did so, and nothing else.

Revision ID: 0037
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
ACTOR = "nullif(current_setting('numbergate.actor', true), '')"
DUTY = "current_setting('numbergate.duty', true)"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
OWN = f"tenant_id = (SELECT coalesce({TENANT}, '@' || {ACTOR}))"
SEEN = (
    f"organization_id = ANY ((SELECT {SEES})::text[]) OR (organization_id IS NOT NULL AND (SELECT '*' = ANY ({SEES})))"
)
GRANTED = f"organization_id IN (SELECT g.organization_id FROM grants g WHERE g.tenant_id = {TENANT})"
WRITES = f"{OWN} OR ((SELECT {TENANT} IS NULL) AND ({SEEN}))"
# What one did oneself.
AUDITED = f"tenant_id IS NULL AND {TENANT} IS NULL AND actor = {ACTOR}"
AUDIT_INSERTS = f"tenant_id = {TENANT} OR {DUTY} IN ('admin', 'operator')"
AUDIT_READS = (
    f"{AUDIT_INSERTS} OR"
    " CASE WHEN object_kind = 'number' THEN EXISTS (SELECT FROM numbers n WHERE n.id = object_id::uuid) ELSE false END"
)

TABLE = """
    CREATE TABLE saved_filters (
      id uuid PRIMARY KEY,
      tenant_id text NOT NULL,
      organization_id text,
      name text NOT NULL,
      filters jsonb NOT NULL,
      sort text,
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL
    )"""
INDEXES = (
    "CREATE UNIQUE INDEX one_filter_of_a_name ON saved_filters (tenant_id, name) WHERE organization_id IS NULL",
    """CREATE UNIQUE INDEX one_shared_filter_of_a_name ON saved_filters (organization_id, name)
       WHERE organization_id IS NOT NULL""",
    "CREATE INDEX saved_filters_of_owner ON saved_filters (tenant_id, name, id)",
    "CREATE INDEX shared_filters_by_name ON saved_filters (name, id) WHERE organization_id IS NOT NULL",
)


def within(column: str, name: str) -> str:
    setting = f"(SELECT nullif(current_setting('numbergate.{name}', true), ''))"
    return f"coalesce({column} = ANY ({setting}::text[]), true)"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in (TABLE, *INDEXES):
        op.execute(create)
    op.execute("ALTER TABLE saved_filters ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE saved_filters FORCE ROW LEVEL SECURITY")
    op.execute("GRANT SELECT, INSERT, DELETE ON saved_filters TO numbergate_api")
    op.execute("GRANT UPDATE (organization_id, name, filters, sort, updated_at) ON saved_filters TO numbergate_api")
    op.execute("GRANT SELECT ON saved_filters TO numbergate_worker")
    op.execute("CREATE POLICY worker_reads ON saved_filters FOR SELECT TO numbergate_worker USING (true)")
    for name, command, clause in (
        ("api_reads", "SELECT", f"USING ({OWN} OR {SEEN} OR {GRANTED})"),
        ("api_inserts", "INSERT", f"WITH CHECK ({OWN} AND (organization_id IS NULL OR {SEEN} OR {GRANTED}))"),
        ("api_updates", "UPDATE", f"USING ({WRITES}) WITH CHECK ({WRITES})"),
        ("api_deletes", "DELETE", f"USING ({WRITES})"),
    ):
        op.execute(f"CREATE POLICY {name} ON saved_filters FOR {command} TO numbergate_api {clause}")
    op.execute(
        "CREATE POLICY held_to ON saved_filters AS RESTRICTIVE TO numbergate_api"
        f" USING ({within('organization_id', 'organizations')})"
    )
    op.execute(f"ALTER POLICY api_reads ON audit USING ({AUDIT_READS} OR ({AUDITED}))")
    op.execute(f"ALTER POLICY api_inserts ON audit WITH CHECK ({AUDIT_INSERTS} OR ({AUDITED}))")


def downgrade() -> None:
    op.execute(f"ALTER POLICY api_inserts ON audit WITH CHECK ({AUDIT_INSERTS})")
    op.execute(f"ALTER POLICY api_reads ON audit USING ({AUDIT_READS})")
    op.execute("DROP TABLE saved_filters")
