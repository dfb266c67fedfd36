"""Invoices matched with the ledger, what came of each line, and disputes with the supplier about it.

They are nobody's but finance's, as the invoices.

Revision ID: 0062
"""

from pathlib import Path

from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
SEES_EVERYTHING = (
    "(SELECT current_setting('numbergate.duty', true) = 'finance')"
    " AND (SELECT '*' = ANY (coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]))"
)
VERDICTS = (
    "matched", "within_tolerance", "price_differs", "quantity_differs", "charged_after_release", "never_ours",
    "not_charged", "duplicate",
)  # fmt: skip
ONE_OF_VERDICTS = f"verdict IN ({', '.join(repr(one) for one in VERDICTS)})"
TABLES = {
    "invoice_matches": """
        CREATE TABLE invoice_matches (
          invoice_id uuid PRIMARY KEY REFERENCES invoices ON DELETE CASCADE,
          state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
          tolerance bigint NOT NULL CHECK (tolerance >= 0),
          asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          asked_by text NOT NULL,
          lease_until timestamptz,
          tries integer NOT NULL DEFAULT 0,
          ended_at timestamptz,
          basis jsonb,
          summary jsonb,
          problem text
        )""",
    "invoice_findings": f"""
        CREATE TABLE invoice_findings (
          invoice_id uuid NOT NULL REFERENCES invoices ON DELETE CASCADE,
          finding bigint NOT NULL,
          place bigint,
          verdict text NOT NULL CHECK ({ONE_OF_VERDICTS}),
          number_id uuid,
          kind text NOT NULL,
          begins date, ends date,
          price_ids uuid[],
          expected_micros bigint NOT NULL,
          charged_micros bigint NOT NULL,
          difference_micros bigint NOT NULL,
          other_place bigint,
          evidence jsonb,
          PRIMARY KEY (invoice_id, finding),
          CHECK (difference_micros = charged_micros - expected_micros)
        )""",
    "disputes": """
        CREATE TABLE disputes (
          id uuid PRIMARY KEY,
          seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
          invoice_id uuid NOT NULL REFERENCES invoices,
          account_id uuid NOT NULL REFERENCES accounts,
          state text NOT NULL CHECK (state IN ('open', 'submitted', 'accepted', 'rejected', 'credited')),
          title text NOT NULL,
          currency text NOT NULL,
          lines integer NOT NULL,
          micros bigint NOT NULL CHECK (micros >= 0),
          credited_micros bigint NOT NULL DEFAULT 0 CHECK (credited_micros BETWEEN 0 AND micros),
          created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          created_by text NOT NULL,
          changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
          changed_by text NOT NULL
        )""",
    "dispute_lines": f"""
        CREATE TABLE dispute_lines (
          dispute_id uuid NOT NULL REFERENCES disputes,
          line bigint NOT NULL,
          invoice_id uuid NOT NULL,
          finding bigint NOT NULL,
          place bigint,
          verdict text NOT NULL CHECK ({ONE_OF_VERDICTS}),
          number_id uuid, phone_number text, subscription_id text,
          kind text NOT NULL,
          begins date, ends date,
          expected_micros bigint NOT NULL,
          charged_micros bigint NOT NULL,
          micros bigint NOT NULL CHECK (micros > 0),
          credited_micros bigint NOT NULL DEFAULT 0 CHECK (credited_micros BETWEEN 0 AND micros),
          evidence jsonb,
          open boolean NOT NULL,
          PRIMARY KEY (dispute_id, line)
        )""",
    "dispute_notes": """
        CREATE TABLE dispute_notes (
          id uuid PRIMARY KEY,
          dispute_id uuid NOT NULL REFERENCES disputes,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          by text NOT NULL,
          text text NOT NULL
        )""",
    "dispute_attachments": """
        CREATE TABLE dispute_attachments (
          id uuid PRIMARY KEY,
          dispute_id uuid NOT NULL REFERENCES disputes,
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          by text NOT NULL,
          name text NOT NULL,
          media_type text NOT NULL,
          size bigint NOT NULL,
          hash bytea NOT NULL,
          body bytea NOT NULL
        )""",
    "dispute_credits": """
        CREATE TABLE dispute_credits (
          invoice_id uuid NOT NULL REFERENCES invoices,
          place bigint NOT NULL,
          dispute_id uuid NOT NULL,
          line bigint NOT NULL,
          micros bigint NOT NULL CHECK (micros > 0),
          at timestamptz NOT NULL DEFAULT clock_timestamp(),
          PRIMARY KEY (invoice_id, place, dispute_id, line),
          FOREIGN KEY (dispute_id, line) REFERENCES dispute_lines
        )""",
}
INDEXES = (
    "CREATE INDEX matches_to_make ON invoice_matches (asked_at) WHERE state IN ('queued', 'running')",
    "CREATE INDEX findings_that_differ ON invoice_findings (invoice_id, verdict, finding) WHERE verdict <> 'matched'",
    # A finding is in one open dispute at most, however often its invoice is matched.
    """CREATE UNIQUE INDEX lines_in_dispute ON dispute_lines (invoice_id, place, number_id, kind, begins)
       NULLS NOT DISTINCT WHERE open""",
    "CREATE INDEX disputes_of_account ON disputes (account_id, state)",
    "CREATE INDEX notes_of_dispute ON dispute_notes (dispute_id, at)",
    "CREATE INDEX attachments_of_dispute ON dispute_attachments (dispute_id, at)",
    "CREATE INDEX credits_of_dispute ON dispute_credits (dispute_id, line)",
)
API = {
    "invoice_matches": ("INSERT", "UPDATE"),
    "invoice_findings": (),
    "disputes": ("INSERT", "UPDATE"),
    "dispute_lines": ("INSERT", "UPDATE"),
    "dispute_notes": ("INSERT",),
    "dispute_attachments": ("INSERT",),
    "dispute_credits": (),
}
WORKER = {
    "invoice_matches": "SELECT, UPDATE",
    "invoice_findings": "SELECT, INSERT, UPDATE, DELETE",
    "disputes": "SELECT, UPDATE",
    "dispute_lines": "SELECT, UPDATE",
    "dispute_notes": "SELECT",
    "dispute_attachments": "SELECT",
    "dispute_credits": "SELECT, INSERT",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in (*TABLES.values(), *INDEXES):
        op.execute(create)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT {', '.join(('SELECT', *API[table]))} ON {table} TO numbergate_api")
        op.execute(f"CREATE POLICY api_reads ON {table} FOR SELECT TO numbergate_api USING ({SEES_EVERYTHING})")
        for verb in API[table]:
            clause = "WITH CHECK" if verb == "INSERT" else "USING"
            op.execute(
                f"CREATE POLICY api_{verb.lower()}s ON {table} FOR {verb} TO numbergate_api"
                f" {clause} ({SEES_EVERYTHING})"
            )
        op.execute(f"GRANT {WORKER[table]} ON {table} TO numbergate_worker")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        op.execute(f"GRANT SELECT ON {table} TO numbergate_finance")
        op.execute(f"CREATE POLICY finance_reads ON {table} FOR SELECT TO numbergate_finance USING (true)")
    for verb, clause in (("SELECT", "USING"), ("INSERT", "WITH CHECK")):
        op.execute(
            f"CREATE POLICY disputes_{verb.lower()}s ON audit FOR {verb} TO numbergate_api {clause}"
            f" ({SEES_EVERYTHING} AND tenant_id IS NULL AND object_kind IN ('invoice_match', 'dispute'))"
        )
    op.execute((SQL / "match_invoice_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION match_invoice FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION match_invoice TO numbergate_worker")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP FUNCTION match_invoice")
    op.execute("DROP POLICY disputes_selects ON audit")
    op.execute("DROP POLICY disputes_inserts ON audit")
    for table in reversed(TABLES):
        op.execute(f"DROP TABLE {table}")
