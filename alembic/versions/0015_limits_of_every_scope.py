"""Limits of tenants, users, organisations and the deployment, in one table with the counters that they limit.

`tenant_quotas` becomes a view of the tenants' rows, for processes of the version before. A row that was never counted
is counted when it is first needed. The functions come after the indexes, which are built beside traffic: this can be
run again from any point.

Revision ID: 0015
"""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
INDEXES = {
    "intents_of_tenant": "CREATE INDEX CONCURRENTLY IF NOT EXISTS intents_of_tenant"
    " ON intents (tenant_id, admitted_at)",
    "intents_of_organization": "CREATE INDEX CONCURRENTLY IF NOT EXISTS intents_of_organization"
    " ON intents (organization_id, admitted_at)",
    "releases_by_time": "CREATE INDEX CONCURRENTLY IF NOT EXISTS releases_by_time"
    " ON steps (created_at) WHERE kind = 'release'",
}
LIMITS = (
    "purchases_per_day",
    "purchases_per_month",
    "releases_per_month",
    "spend_per_month",
    "burst",
    "concurrent_creates",
    "doubts_open",
)
COUNTERS = ("day_used", "day_reserved", "month_used", "month_reserved", "releases")
# Each after those that it calls. Only what counts and limits is anybody's to call; the rest serves those.
INNER = ("counted", "rolled", "quota_limits", "quota_word", "quotas_of")
OUTER = ("reserve_quota", "settle_quota", "count_held", "count_release", "recount_quota", "quota_standing")
SIGNATURE = "(scope, tenant_id, organization_id, user_id)"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, build in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(build)
        for statement in (
            "ALTER TABLE tenant_quotas ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT 'tenant'",
            "ALTER TABLE tenant_quotas ADD COLUMN IF NOT EXISTS organization_id text NOT NULL DEFAULT ''",
            "ALTER TABLE tenant_quotas ADD COLUMN IF NOT EXISTS user_id text NOT NULL DEFAULT ''",
            "DROP INDEX CONCURRENTLY IF EXISTS quotas_pkey",
            f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS quotas_pkey ON tenant_quotas {SIGNATURE}",
        ):
            op.execute(statement)
    added = [
        "mode text NOT NULL DEFAULT 'enforced' CHECK (mode IN ('enforced', 'shadow', 'off'))",
        "time_zone text NOT NULL DEFAULT 'UTC'",
        "requests_per_second double precision CHECK (requests_per_second >= 0)",
        "day date",
        "month date",
        "arrival timestamptz",
        "revision bigint NOT NULL DEFAULT 0",
        *(f"{name} bigint CHECK ({name} >= 0)" for name in LIMITS),
        *(f"{name} bigint NOT NULL DEFAULT 0 CHECK ({name} >= 0)" for name in COUNTERS),
    ]
    op.execute("ALTER TABLE tenant_quotas " + ", ".join(f"ADD COLUMN {column}" for column in added))
    # Nobody has lost anything by these: the new key holds tenants apart as well, and a tenant is never deleted.
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE tenant_quotas DROP CONSTRAINT tenant_quotas_pkey")
    op.execute(
        "-- squawk-ignore ban-drop-constraint\nALTER TABLE tenant_quotas DROP CONSTRAINT tenant_quotas_tenant_id_fkey"
    )
    op.execute("ALTER TABLE tenant_quotas ALTER COLUMN tenant_id SET DEFAULT ''")
    op.execute("ALTER TABLE tenant_quotas ADD CONSTRAINT quotas_pkey PRIMARY KEY USING INDEX quotas_pkey")
    # A row a tenant is read in no time.
    op.execute(
        "-- squawk-ignore constraint-missing-not-valid\n"
        "ALTER TABLE tenant_quotas ADD CONSTRAINT quota_of_one CHECK (CASE scope"
        " WHEN 'tenant' THEN tenant_id <> '' AND organization_id = '' AND user_id = ''"
        " WHEN 'organization' THEN tenant_id = '' AND organization_id <> '' AND user_id = ''"
        " WHEN 'user' THEN tenant_id = '' AND organization_id <> '' AND user_id <> ''"
        " WHEN 'deployment' THEN tenant_id = '' AND organization_id = '' AND user_id = '' ELSE false END)"
    )
    # The view that takes its name is there in the same transaction.
    op.execute("-- squawk-ignore renaming-table\nALTER TABLE tenant_quotas RENAME TO quotas")
    op.execute(
        "CREATE VIEW tenant_quotas WITH (security_invoker) AS"
        " SELECT tenant_id, numbers_held, used, reserved FROM quotas WHERE scope = 'tenant'"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON tenant_quotas TO numbergate_api, numbergate_worker")
    op.execute("GRANT DELETE ON quotas TO numbergate_api")
    op.execute(
        "CREATE POLICY api_deletes ON quotas FOR DELETE TO numbergate_api"
        " USING (scope <> 'tenant' AND current_setting('numbergate.duty', true) = 'admin')"
    )
    op.execute("CREATE POLICY owner_counts ON quotas TO numbergate_owner USING (true) WITH CHECK (true)")
    op.execute("CREATE POLICY owner_answers ON steps FOR SELECT TO numbergate_owner USING (true)")
    for name in (*INNER, *OUTER):
        op.execute((SQL / f"{name}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    for name in (*OUTER, "counted", "rolled"):
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO numbergate_api, numbergate_worker")
    op.execute((SQL / "admit_v3.sql").read_text())
    op.execute((SQL / "settle_v4.sql").read_text())


def downgrade() -> None:
    op.execute((SQL / "settle_v3.sql").read_text())
    op.execute((SQL / "admit_v2.sql").read_text())
    for name in reversed((*INNER, *OUTER)):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP POLICY owner_answers ON steps")
    op.execute("DROP VIEW tenant_quotas")
    op.execute("DELETE FROM quotas WHERE scope <> 'tenant'")
    op.execute("DROP POLICY owner_counts ON quotas")
    op.execute("DROP POLICY api_deletes ON quotas")
    op.execute("REVOKE DELETE ON quotas FROM numbergate_api")
    op.execute("ALTER TABLE quotas RENAME TO tenant_quotas")
    op.execute("ALTER TABLE tenant_quotas DROP CONSTRAINT quota_of_one, DROP CONSTRAINT quotas_pkey")
    op.execute("ALTER TABLE tenant_quotas ADD CONSTRAINT tenant_quotas_pkey PRIMARY KEY (tenant_id)")
    op.execute(
        "ALTER TABLE tenant_quotas ADD CONSTRAINT tenant_quotas_tenant_id_fkey"
        " FOREIGN KEY (tenant_id) REFERENCES tenants"
    )
    op.execute("ALTER TABLE tenant_quotas ALTER COLUMN tenant_id DROP DEFAULT")
    dropped = (
        "scope", "organization_id", "user_id", "mode", "time_zone", "requests_per_second", "day", "month", "arrival",
        "revision", *LIMITS, *COUNTERS,
    )  # fmt: skip
    op.execute("ALTER TABLE tenant_quotas " + ", ".join(f"DROP COLUMN {name}" for name in dropped))
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
