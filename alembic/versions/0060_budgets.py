"""Budgets, what of them was reached, and which limits are nearly used up.

Finance files budgets; a tenant reads those that are of it, or that it is named to be told of. What was reached is noted
by the worker.

Revision ID: 0060
"""

from pathlib import Path

from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
TENANT = "(SELECT nullif(current_setting('numbergate.tenant_id', true), ''))"
FINANCE = "(SELECT current_setting('numbergate.duty', true) = 'finance')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
SEES_ALL = f"(SELECT '*' = ANY ({SEES}))"
# A key that is limited to users sees no budget, which is never of users alone.
ORGANIZATIONS = "(SELECT nullif(current_setting('numbergate.organizations', true), ''))"
USERS = "(SELECT nullif(current_setting('numbergate.users', true), ''))"
OF_THEM = f"coalesce(organization_id = ANY ({ORGANIZATIONS}::text[]), false)"
HELD = f"({ORGANIZATIONS} IS NULL OR {OF_THEM}) AND {USERS} IS NULL"
SEEN = f"({FINANCE} AND ({SEES_ALL} OR coalesce(organization_id = ANY ((SELECT {SEES})::text[]), false)))"
TABLES = {
    "budgets": """
        CREATE TABLE budgets (
          id uuid PRIMARY KEY,
          name text,
          organization_id text REFERENCES organizations,
          tenant_id text REFERENCES tenants,
          cost_center text,
          currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
          amount bigint NOT NULL CHECK (amount > 0),
          notify_tenant_id text REFERENCES tenants,
          revision bigint NOT NULL DEFAULT 1,
          period date, so_far bigint, forecast bigint, reckoned_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          created_by text NOT NULL,
          CHECK (num_nonnulls(organization_id, tenant_id, cost_center) > 0),
          UNIQUE NULLS NOT DISTINCT (organization_id, tenant_id, cost_center, currency)
        )""",
    "budget_alerts": """
        CREATE TABLE budget_alerts (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          budget_id uuid NOT NULL REFERENCES budgets ON DELETE CASCADE,
          period date NOT NULL,
          threshold smallint NOT NULL,
          measure text NOT NULL CHECK (measure IN ('charged', 'forecast')),
          micros bigint NOT NULL, amount bigint NOT NULL,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          ended_at timestamptz
        )""",
    "quota_alerts": """
        CREATE TABLE quota_alerts (
          tenant_id text NOT NULL,
          limit_name text NOT NULL,
          percent smallint NOT NULL,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (tenant_id, limit_name, percent)
        )""",
}
WATCHES = {"watch_budgets": "v1", "watch_quotas": "v1"}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in TABLES.values():
        op.execute(create)
    op.execute(
        "CREATE UNIQUE INDEX one_alert ON budget_alerts (budget_id, period, threshold, measure) WHERE ended_at IS NULL"
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO numbergate_worker, numbergate_finance")
        op.execute(f"CREATE POLICY finance_reads ON {table} FOR SELECT TO numbergate_finance USING (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON budgets TO numbergate_api")
    op.execute("GRANT SELECT ON budget_alerts, quota_alerts TO numbergate_api")
    op.execute(f"CREATE POLICY api_reads ON quota_alerts FOR SELECT TO numbergate_api USING (tenant_id = {TENANT})")
    op.execute("GRANT UPDATE ON budgets TO numbergate_worker")
    op.execute("GRANT INSERT, UPDATE ON budget_alerts TO numbergate_worker")
    op.execute("GRANT INSERT, DELETE ON quota_alerts TO numbergate_worker")
    op.execute(
        "CREATE POLICY api_reads ON budgets FOR SELECT TO numbergate_api"
        f" USING ({HELD} AND ({SEEN} OR tenant_id = {TENANT} OR notify_tenant_id = {TENANT}))"
    )
    for verb, clause in (("INSERT", "WITH CHECK"), ("UPDATE", "USING"), ("DELETE", "USING")):
        op.execute(
            f"CREATE POLICY api_{verb.lower()}s ON budgets FOR {verb} TO numbergate_api {clause}"
            f" ({HELD} AND {FINANCE} AND {SEES_ALL})"
        )
    op.execute(
        "CREATE POLICY api_reads ON budget_alerts FOR SELECT TO numbergate_api"
        " USING (EXISTS (SELECT FROM budgets b WHERE b.id = budget_alerts.budget_id))"
    )
    for verb, clause in (("SELECT", "USING"), ("INSERT", "WITH CHECK")):
        op.execute(
            f"CREATE POLICY budgets_{verb.lower()} ON audit FOR {verb} TO numbergate_api {clause}"
            f" ({FINANCE} AND {SEES_ALL} AND tenant_id IS NULL AND object_kind = 'budget')"
        )
    for name, version in WATCHES.items():
        op.execute((SQL / f"{name}_{version}.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO numbergate_worker")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for name in WATCHES:
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP POLICY budgets_select ON audit")
    op.execute("DROP POLICY budgets_insert ON audit")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
