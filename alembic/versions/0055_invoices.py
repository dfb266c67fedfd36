"""The supplier's invoices: filed as they came, read line by line by the worker, with what could not be read beside.

They are nobody's but finance's: a line says what the supplier charged, not whose number it is.

Revision ID: 0055
"""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

FINANCE = "(SELECT current_setting('numbergate.duty', true) = 'finance')"
SEES_ALL = "(SELECT '*' = ANY (coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]))"
SEES_EVERYTHING = f"{FINANCE} AND {SEES_ALL}"
KINDS = "'price', 'charging_rule', 'period'"
TABLES = {
    "invoices": """
        CREATE TABLE invoices (
          id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
          seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
          account_id uuid NOT NULL REFERENCES accounts,
          supplier text NOT NULL,
          number text,
          file_name text NOT NULL,
          content_hash bytea NOT NULL,
          profile text,
          mapping jsonb NOT NULL,
          currency text CHECK (currency ~ '^[A-Z]{3}$'),
          month date NOT NULL CHECK (extract(day FROM month) = 1),
          state text NOT NULL CHECK (state IN ('reading', 'held', 'ready', 'matched', 'failed')),
          size bigint NOT NULL CHECK (size >= 0),
          size_read bigint NOT NULL DEFAULT 0,
          read_through bigint NOT NULL DEFAULT 0,
          lines bigint NOT NULL DEFAULT 0,
          rejected bigint NOT NULL DEFAULT 0,
          micros bigint NOT NULL DEFAULT 0,
          problem text,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          created_by text NOT NULL,
          UNIQUE (account_id, content_hash)
        )""",
    "invoice_parts": """
        CREATE TABLE invoice_parts (
          invoice_id uuid NOT NULL REFERENCES invoices ON DELETE CASCADE,
          place integer NOT NULL,
          body bytea NOT NULL,
          PRIMARY KEY (invoice_id, place)
        )""",
    "invoice_lines": """
        CREATE TABLE invoice_lines (
          invoice_id uuid NOT NULL REFERENCES invoices ON DELETE CASCADE,
          place bigint NOT NULL,
          line_ref text,
          subscription_id text,
          phone_number text,
          user_id text,
          kind text NOT NULL CHECK (kind IN ('setup', 'rent', 'credit', 'other')),
          begins date, ends date,
          quantity bigint,
          micros bigint NOT NULL, currency text NOT NULL,
          description text NOT NULL,
          PRIMARY KEY (invoice_id, place)
        )""",
    "invoice_rejects": """
        CREATE TABLE invoice_rejects (
          invoice_id uuid NOT NULL REFERENCES invoices ON DELETE CASCADE,
          place bigint NOT NULL,
          line bigint NOT NULL,
          cells jsonb NOT NULL,
          text text NOT NULL,
          faults jsonb NOT NULL,
          decision text CHECK (decision IN ('dropped', 'mended')),
          mended jsonb,
          decided_by text,
          decided_at timestamptz,
          PRIMARY KEY (invoice_id, place)
        )""",
    "invoice_profiles": """
        CREATE TABLE invoice_profiles (
          name text PRIMARY KEY,
          mapping jsonb NOT NULL,
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          created_by text NOT NULL
        )""",
}
# What the api role adds and changes, and what the worker does.
API = {
    "invoices": ("INSERT", "UPDATE", "DELETE"),
    "invoice_parts": ("INSERT",),
    "invoice_lines": ("INSERT",),
    "invoice_rejects": ("UPDATE",),
    "invoice_profiles": ("INSERT", "UPDATE"),
}
WORKER = {
    "invoices": "SELECT, UPDATE",
    "invoice_parts": "SELECT, DELETE",
    "invoice_lines": "SELECT, INSERT",
    "invoice_rejects": "SELECT, INSERT",
    "invoice_profiles": "SELECT",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in TABLES.values():
        op.execute(create)
    op.execute("CREATE INDEX invoices_to_read ON invoices (seq) WHERE state = 'reading'")
    op.execute("CREATE INDEX rejects_undecided ON invoice_rejects (invoice_id, place) WHERE decision IS NULL")
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT {', '.join(('SELECT', *API[table]))} ON {table} TO numbergate_api")
        op.execute(f"CREATE POLICY api_reads ON {table} FOR SELECT TO numbergate_api USING ({SEES_EVERYTHING})")
        for verb in API[table]:
            clause = "WITH CHECK" if verb == "INSERT" else "USING"
            op.execute(
                f"CREATE POLICY api_{verb.lower()}s ON {table} FOR {verb} TO numbergate_api"
                f" {clause} ({SEES_EVERYTHING}{_but_matched(table, verb)})"
            )
        op.execute(f"GRANT {WORKER[table]} ON {table} TO numbergate_worker")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        if table != "invoice_parts":
            op.execute(f"GRANT SELECT ON {table} TO numbergate_finance")
            op.execute(f"CREATE POLICY finance_reads ON {table} FOR SELECT TO numbergate_finance USING (true)")
    _audited(f"{KINDS}, 'invoice', 'invoice_profile'")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    _audited(KINDS)
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")


def _but_matched(table: str, verb: str) -> str:
    """What was matched is not taken back: findings rest on it."""
    return " AND state <> 'matched'" if (table, verb) == ("invoices", "DELETE") else ""


def _audited(kinds: str) -> None:
    """What finance notes in the audit log, and reads there."""
    told = f"({SEES_EVERYTHING} AND tenant_id IS NULL AND object_kind IN ({kinds}))"
    op.execute(f"ALTER POLICY finance_selects ON audit USING {told}")
    op.execute(f"ALTER POLICY finance_inserts ON audit WITH CHECK {told}")
