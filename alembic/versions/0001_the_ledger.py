"""The ledger: who may ask, what was bought, and what is owed to whom.

Revision ID: 0001
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"

# No foreign keys from hot rows to tenants and accounts: admission has just read both, and the key-share lock of a
# foreign key on one busy tenant's row would queue all of its purchases behind one another.
TABLES = {
    "version": """
        CREATE TABLE version (
          one boolean PRIMARY KEY DEFAULT true CHECK (one),
          revision bigint NOT NULL DEFAULT 1,
          updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )""",
    "accounts": """
        CREATE TABLE accounts (
          id uuid PRIMARY KEY,
          name text NOT NULL UNIQUE,
          base_url text NOT NULL,
          teli_tenant_id text NOT NULL,
          mode text NOT NULL DEFAULT 'lane' CHECK (mode IN ('lane', 'mark')),
          mode_changed_at timestamptz,
          listed_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )""",
    "send_slots": """
        CREATE TABLE send_slots (
          account_id uuid NOT NULL REFERENCES accounts,
          slot smallint NOT NULL,
          intent_id uuid,
          held_until timestamptz,
          PRIMARY KEY (account_id, slot)
        ) WITH (fillfactor = 50)""",
    "send_queue": """
        CREATE TABLE send_queue (
          intent_id uuid PRIMARY KEY,
          account_id uuid NOT NULL,
          queue text NOT NULL,
          place bigint GENERATED ALWAYS AS IDENTITY,
          replica uuid NOT NULL,
          alive_until timestamptz NOT NULL,
          leaves_at timestamptz NOT NULL
        )""",
    "organizations": """
        CREATE TABLE organizations (
          id text PRIMARY KEY,
          name text,
          upstream_uuid text,
          account_id uuid REFERENCES accounts,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )""",
    "users": """
        CREATE TABLE users (
          organization_id text NOT NULL REFERENCES organizations,
          id text NOT NULL,
          name text,
          email text,
          upstream_uuid text,
          exclusive boolean NOT NULL DEFAULT false,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (organization_id, id)
        )""",
    "tenants": """
        CREATE TABLE tenants (
          id text PRIMARY KEY,
          name text NOT NULL,
          tag text NOT NULL UNIQUE,
          account_id uuid NOT NULL REFERENCES accounts,
          state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'closed')),
          idempotency_required boolean NOT NULL DEFAULT false,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )""",
    "grants": """
        CREATE TABLE grants (
          tenant_id text NOT NULL REFERENCES tenants,
          organization_id text NOT NULL REFERENCES organizations,
          PRIMARY KEY (tenant_id, organization_id)
        )""",
    "api_keys": """
        CREATE TABLE api_keys (
          id uuid PRIMARY KEY,
          kind text NOT NULL CHECK (kind IN ('service', 'admin', 'finance', 'operator')),
          tenant_id text REFERENCES tenants,
          name text NOT NULL,
          hash bytea NOT NULL UNIQUE,
          hint text NOT NULL,
          scopes text[] NOT NULL,
          sees text[] NOT NULL DEFAULT '{}',
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          expires_at timestamptz,
          revoked_at timestamptz
        )""",
    "stops": """
        CREATE TABLE stops (
          scope text NOT NULL CHECK (scope IN ('global', 'tenant', 'account')),
          id text NOT NULL DEFAULT '',
          reason text NOT NULL,
          actor text NOT NULL,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (scope, id)
        )""",
    "tenant_quotas": """
        CREATE TABLE tenant_quotas (
          tenant_id text PRIMARY KEY REFERENCES tenants,
          numbers_held bigint CHECK (numbers_held >= 0),
          used bigint NOT NULL DEFAULT 0 CHECK (used >= 0),
          reserved bigint NOT NULL DEFAULT 0 CHECK (reserved >= 0)
        ) WITH (fillfactor = 50)""",
    "intents": """
        CREATE TABLE intents (
          id uuid PRIMARY KEY,
          tenant_id text NOT NULL,
          account_id uuid NOT NULL,
          organization_id text NOT NULL,
          user_id text NOT NULL,
          area_code text NOT NULL,
          wish jsonb NOT NULL,
          idempotency_key text,
          mark text NOT NULL,
          request_id text NOT NULL,
          state text NOT NULL CHECK (state IN ('sending', 'owned', 'refused', 'doubtful', 'unresolved')),
          admitted_at timestamptz NOT NULL,
          lease_until timestamptz NOT NULL,
          send_ended_at timestamptz,
          decided_at timestamptz,
          decision text,
          slot smallint NOT NULL,
          holds_lane boolean NOT NULL DEFAULT false,
          number_id uuid,
          named_number text,
          answer jsonb
        )""",
    "attempts": """
        CREATE TABLE attempts (
          intent_id uuid PRIMARY KEY,
          tenant_id text NOT NULL,
          admitted_at timestamptz NOT NULL,
          ended_at timestamptz
        )""",
    "evidence": """
        CREATE TABLE evidence (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          intent_id uuid NOT NULL,
          tenant_id text NOT NULL,
          heard_at timestamptz NOT NULL,
          kind text NOT NULL,
          status integer,
          headers jsonb,
          body text,
          detail text
        )""",
    "idempotency_keys": """
        CREATE TABLE idempotency_keys (
          tenant_id text NOT NULL,
          scope text NOT NULL,
          key text NOT NULL,
          fingerprint bytea NOT NULL,
          intent_id uuid NOT NULL,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (tenant_id, scope, key)
        )""",
    "numbers": """
        CREATE TABLE numbers (
          id uuid PRIMARY KEY,
          tenant_id text NOT NULL,
          account_id uuid NOT NULL,
          organization_id text NOT NULL,
          user_id text NOT NULL,
          holder_user_id text,
          phone_number text NOT NULL,
          pretty text NOT NULL,
          area_code text NOT NULL,
          number_type text,
          nickname text,
          cost_center text,
          tags text[] NOT NULL DEFAULT '{}',
          state text NOT NULL CHECK (state IN ('active', 'release_scheduled', 'releasing', 'released', 'missing')),
          intent_id uuid,
          mark text NOT NULL,
          marked boolean NOT NULL DEFAULT true,
          acquired_at timestamptz NOT NULL,
          confirmed_at timestamptz,
          upstream_row_id text,
          upstream_created_at text,
          subscription_id text,
          upstream_nickname text,
          released_at timestamptz,
          still_ours_at timestamptz
        )""",
    "agent_links": """
        CREATE TABLE agent_links (
          number_id uuid NOT NULL REFERENCES numbers,
          direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
          tenant_id text NOT NULL,
          desired text,
          confirmed text,
          state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'confirmed', 'refused')),
          updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (number_id, direction)
        )""",
    "steps": """
        CREATE TABLE steps (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
          tenant_id text NOT NULL,
          number_id uuid NOT NULL REFERENCES numbers,
          kind text NOT NULL CHECK (kind IN ('confirm', 'push', 'unmark', 'release')),
          state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed', 'unresolved')),
          due_at timestamptz NOT NULL,
          lease_until timestamptz,
          tries integer NOT NULL DEFAULT 0,
          sent_at timestamptz,
          outcome text,
          answer jsonb,
          actor text,
          request_id text,
          given text[],
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          ended_at timestamptz
        )""",
    "existing_numbers": """
        CREATE TABLE existing_numbers (
          account_id uuid NOT NULL REFERENCES accounts,
          row_id text NOT NULL,
          phone_number text NOT NULL,
          organization_id text,
          user_id text,
          nickname text,
          upstream_created_at text,
          first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          gone_at timestamptz,
          PRIMARY KEY (account_id, row_id)
        )""",
    "orphans": """
        CREATE TABLE orphans (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
          account_id uuid NOT NULL,
          tenant_id text,
          organization_id text,
          user_id text,
          area_code text,
          phone_number text NOT NULL,
          row_id text,
          nickname text,
          intent_id uuid,
          reason text NOT NULL,
          state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'adopted', 'released', 'ignored')),
          created_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )""",
    "audit": """
        CREATE TABLE audit (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          tenant_id text,
          actor text NOT NULL,
          action text NOT NULL,
          object_kind text NOT NULL,
          object_id text NOT NULL,
          before jsonb,
          after jsonb,
          request_id text
        )""",
    "outbox": """
        CREATE TABLE outbox (
          id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          tenant_id text NOT NULL,
          kind text NOT NULL,
          number_id uuid,
          intent_id uuid,
          payload jsonb NOT NULL
        )""",
}

INDEXES = [
    "CREATE UNIQUE INDEX one_send_per_lane ON intents (account_id, user_id) WHERE holds_lane",
    """CREATE UNIQUE INDEX one_open_intent_per_key ON intents (tenant_id, idempotency_key)
       WHERE idempotency_key IS NOT NULL AND state <> 'refused'""",
    "CREATE INDEX sends_by_lease ON intents (lease_until) WHERE state = 'sending'",
    "CREATE INDEX doubts_by_age ON intents (admitted_at, id) WHERE state IN ('doubtful', 'unresolved')",
    "CREATE INDEX evidence_of_intent ON evidence (intent_id, id)",
    # One live acquisition of an E.164 in an account; released ones may be many, for carriers recycle numbers.
    "CREATE UNIQUE INDEX one_live_acquisition ON numbers (account_id, phone_number) WHERE state <> 'released'",
    "CREATE UNIQUE INDEX one_owner_of_a_row ON numbers (account_id, upstream_row_id) WHERE upstream_row_id IS NOT NULL",
    "CREATE INDEX numbers_of_tenant ON numbers (tenant_id, phone_number)",
    "CREATE INDEX numbers_of_user ON numbers (organization_id, user_id, acquired_at, id)",
    "CREATE INDEX numbers_of_organization ON numbers (organization_id, acquired_at, id)",
    "CREATE INDEX send_queue_order ON send_queue (account_id, place)",
    "CREATE INDEX steps_due ON steps (due_at) WHERE state IN ('waiting', 'running')",
    "CREATE UNIQUE INDEX one_running_step_per_number ON steps (number_id) WHERE state = 'running'",
    "CREATE INDEX existing_by_number ON existing_numbers (account_id, phone_number)",
    "CREATE INDEX audit_of_object ON audit (object_kind, object_id, id)",
]

FUNCTIONS = [
    "act_as",
    "principal_for",
    "record_event",
    "lane_taken",
    "held_elsewhere",
    "wait_in_queue",
    "admit",
    "settle",
    "lapse_sends",
]

# The owner is held to row-level security too (FORCE), so the functions that run as it need its policies spelled out.
TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
DUTY = "current_setting('numbergate.duty', true)"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
OWN = f"tenant_id = {TENANT}"
SEEN = f"(organization_id = ANY ({SEES}) OR '*' = ANY ({SEES}))"
ADMINISTERS = f"{DUTY} = 'admin'"
OPERATES = f"{DUTY} = 'operator'"
GRANTED = f"IN (SELECT g.organization_id FROM grants g WHERE g.tenant_id = {TENANT})"

# table: (what the api role may do, rows it may read, rows it may write)
API_RIGHTS = {
    "accounts": ("SELECT, INSERT, UPDATE", "true", ADMINISTERS),
    "organizations": ("SELECT, INSERT, UPDATE", f"id {GRANTED} OR id = ANY ({SEES}) OR {ADMINISTERS}", ADMINISTERS),
    "users": (
        "SELECT, INSERT, UPDATE",
        f"organization_id {GRANTED} OR {SEEN} OR {ADMINISTERS}",
        f"organization_id {GRANTED} OR {ADMINISTERS}",
    ),
    "tenants": ("SELECT, INSERT, UPDATE", f"id = {TENANT} OR {ADMINISTERS}", ADMINISTERS),
    "grants": ("SELECT, INSERT, DELETE", f"{OWN} OR {ADMINISTERS}", ADMINISTERS),
    "api_keys": ("SELECT, INSERT, UPDATE", ADMINISTERS, ADMINISTERS),
    "tenant_quotas": ("SELECT, INSERT, UPDATE", f"{OWN} OR {ADMINISTERS}", f"{OWN} OR {ADMINISTERS}"),
    "intents": ("SELECT, INSERT, UPDATE", f"{OWN} OR {SEEN}", OWN),
    "attempts": ("SELECT, INSERT, UPDATE", OWN, OWN),
    "evidence": ("SELECT, INSERT", f"{OWN} OR {DUTY} = 'operator'", OWN),
    "idempotency_keys": ("SELECT, INSERT, UPDATE", OWN, OWN),
    "numbers": ("SELECT, INSERT, UPDATE", f"{OWN} OR {SEEN}", OWN),
    # Whoever sees a number sees its agents, and what is done with it.
    "agent_links": (
        "SELECT, INSERT, UPDATE",
        f"{OWN} OR {ADMINISTERS} OR EXISTS (SELECT FROM numbers n WHERE n.id = agent_links.number_id AND {SEEN})",
        OWN,
    ),
    "steps": (
        "SELECT, INSERT, UPDATE",
        f"{OWN} OR EXISTS (SELECT FROM numbers n WHERE n.id = steps.number_id AND {SEEN})",
        OWN,
    ),
    "orphans": ("SELECT, INSERT, UPDATE", f"{OWN} OR {SEEN}", f"{OWN} OR ({OPERATES} AND {SEEN})"),
    "audit": ("SELECT, INSERT", f"{OWN} OR {ADMINISTERS}", f"{OWN} OR {ADMINISTERS} OR {OPERATES}"),
    "outbox": ("SELECT, INSERT", OWN, OWN),
    "existing_numbers": ("SELECT", SEEN, "false"),
}
# Not a tenant's rows: which account is in which mode, who stands in which queue, what is stopped.
SHARED = {
    "version": "SELECT, UPDATE",
    "send_slots": "SELECT, INSERT, UPDATE",
    "send_queue": "SELECT, INSERT, UPDATE, DELETE",
    "stops": "SELECT, INSERT, DELETE",
}
OWNER_READS = ["accounts", "api_keys", "tenants", "grants", "intents", "numbers", "existing_numbers"]
FINANCE_READS = ["organizations", "users", "tenants", "numbers", "orphans", "existing_numbers"]


def upgrade() -> None:
    for create in TABLES.values():
        op.execute(create)
    for create in INDEXES:
        op.execute(create)
    for name in FUNCTIONS:
        op.execute((SQL / f"{name}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO numbergate_api, numbergate_worker")
    op.execute("INSERT INTO version DEFAULT VALUES")

    for table, (rights, reads, writes) in API_RIGHTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT {rights} ON {table} TO numbergate_api")
        op.execute(f"CREATE POLICY api_reads ON {table} FOR SELECT TO numbergate_api USING ({reads})")
        for verb in ("INSERT", "UPDATE", "DELETE"):
            if verb in rights:
                clause = {
                    "INSERT": f"WITH CHECK ({writes})",
                    "UPDATE": f"USING ({writes}) WITH CHECK ({writes})",
                    "DELETE": f"USING ({writes})",
                }[verb]
                op.execute(f"CREATE POLICY api_{verb.lower()}s ON {table} FOR {verb} TO numbergate_api {clause}")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
    for table, rights in SHARED.items():
        op.execute(f"GRANT {rights} ON {table} TO numbergate_api")
    for table in [*API_RIGHTS, *SHARED]:
        append_only = table in ("audit", "outbox", "evidence")
        op.execute(f"GRANT SELECT, INSERT{'' if append_only else ', UPDATE'} ON {table} TO numbergate_worker")
    op.execute("GRANT DELETE ON send_queue TO numbergate_worker")
    op.execute("GRANT SELECT ON alembic_version TO numbergate_api, numbergate_worker")
    for table in OWNER_READS:
        op.execute(f"CREATE POLICY owner_answers ON {table} FOR SELECT TO numbergate_owner USING (true)")
    for table in FINANCE_READS:
        op.execute(f"GRANT SELECT ON {table} TO numbergate_finance")
        op.execute(f"CREATE POLICY finance_reads ON {table} FOR SELECT TO numbergate_finance USING (true)")


def downgrade() -> None:
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table} CASCADE")
