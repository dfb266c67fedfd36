"""Campaigns that call from numbers: written down before Teli hears of them, so that each is created once.

A campaign's id is its own in the whole account, for so it is at Teli; whose it is, the index does not tell. Which
numbers a campaign calls from is kept, so that none of them is given back under it.

Revision ID: 0033
"""

from pathlib import Path

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
OWN = f"tenant_id = (SELECT {TENANT})"
READS = f"(SELECT '*' = ANY ({SEES})) OR {OWN} OR organization_id = ANY ((SELECT {SEES})::text[])"


def within(column: str, name: str) -> str:
    setting = f"(SELECT nullif(current_setting('numbergate.{name}', true), ''))"
    return f"coalesce({column} = ANY ({setting}::text[]), true)"


CAMPAIGNS = """
    CREATE TABLE campaigns (
      id uuid PRIMARY KEY,
      tenant_id text NOT NULL,
      account_id uuid NOT NULL,
      organization_id text NOT NULL,
      user_id text NOT NULL,
      campaign_id text NOT NULL,
      caller_id text NOT NULL,
      voice_agent_id text NOT NULL,
      leads integer NOT NULL,
      invalid_leads integer NOT NULL,
      begins text,
      ends text,
      fingerprint bytea NOT NULL,
      attempt integer NOT NULL DEFAULT 1,
      state text NOT NULL
        CHECK (state IN ('sending', 'doubtful', 'running', 'paused', 'completed', 'ended', 'gone', 'refused')),
      decision text,
      actor text NOT NULL,
      request_id text NOT NULL,
      warnings text[] NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      lease_until timestamptz NOT NULL,
      send_ended_at timestamptz,
      decided_at timestamptz,
      answer jsonb,
      evidence jsonb,
      progress jsonb,
      look_at timestamptz NOT NULL,
      seen_at timestamptz,
      absences integer NOT NULL DEFAULT 0,
      absent_since timestamptz,
      CONSTRAINT one_campaign_of_an_id UNIQUE (account_id, campaign_id)
    )"""
NUMBERS = """
    CREATE TABLE campaign_numbers (
      campaign uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
      number_id uuid NOT NULL,
      tenant_id text NOT NULL,
      PRIMARY KEY (campaign, number_id)
    )"""
INDEXES = (
    "CREATE INDEX campaigns_of_tenant ON campaigns (tenant_id, organization_id, created_at, id)",
    "CREATE INDEX campaigns_of_organization ON campaigns (organization_id, created_at, id)",
    """CREATE INDEX campaigns_to_look_at ON campaigns (account_id, look_at)
       WHERE state IN ('sending', 'doubtful', 'running', 'paused')""",
    "CREATE INDEX campaigns_by_number ON campaign_numbers (number_id)",
)
FOUND = (
    "state, decision, send_ended_at, decided_at, answer, evidence, progress, look_at, seen_at, absences, absent_since"
)
ANEW = (
    "organization_id, user_id, caller_id, voice_agent_id, leads, invalid_leads, begins, ends, fingerprint, attempt,"
    " actor, request_id, warnings, lease_until"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for create in (CAMPAIGNS, NUMBERS, *INDEXES):
        op.execute(create)
    for table in ("campaigns", "campaign_numbers"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"GRANT SELECT, INSERT ON {table} TO numbergate_api")
        op.execute(f"GRANT SELECT ON {table} TO numbergate_worker")
        op.execute(f"CREATE POLICY api_inserts ON {table} FOR INSERT TO numbergate_api WITH CHECK ({OWN})")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
        op.execute(f"CREATE POLICY owner_answers ON {table} FOR SELECT TO numbergate_owner USING (true)")
    op.execute(f"CREATE POLICY api_reads ON campaigns FOR SELECT TO numbergate_api USING ({READS})")
    op.execute(
        "CREATE POLICY held_to ON campaigns AS RESTRICTIVE TO numbergate_api"
        f" USING ({within('organization_id', 'organizations')} AND {within('user_id', 'users')})"
    )
    op.execute(f"CREATE POLICY api_updates ON campaigns FOR UPDATE TO numbergate_api USING ({OWN}) WITH CHECK ({OWN})")
    op.execute(f"CREATE POLICY api_reads ON campaign_numbers FOR SELECT TO numbergate_api USING ({OWN})")
    # Of one that was refused, and is asked for anew from other numbers.
    op.execute(f"CREATE POLICY api_deletes ON campaign_numbers FOR DELETE TO numbergate_api USING ({OWN})")
    op.execute("GRANT DELETE ON campaign_numbers TO numbergate_api")
    op.execute(f"GRANT UPDATE ({FOUND}, {ANEW}) ON campaigns TO numbergate_api")
    op.execute(f"GRANT UPDATE ({FOUND}) ON campaigns TO numbergate_worker")
    op.execute((SQL / "campaigns_from_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION campaigns_from FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION campaigns_from TO numbergate_api, numbergate_worker")


def downgrade() -> None:
    op.execute("DROP FUNCTION campaigns_from")
    op.execute("DROP TABLE campaign_numbers")
    op.execute("DROP TABLE campaigns")
