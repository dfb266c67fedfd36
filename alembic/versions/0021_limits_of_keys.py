"""Keys held to organisations, users and networks; when and from where each was last used.

Functions beside `principal_for` and `act_as`, and no new versions of those: the process before this one has their plans
prepared. It honours no limit, so none should be given before it is gone.

`hold_to` holds what a tenant's key can read: numbers, purchases, what is done with numbers, and their agents. Whoever
lets it read more of its tenant's, as the audit log or the events, gives that table a policy `held_to` too.

Revision ID: 0021
"""

from pathlib import Path

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
COLUMNS = (
    "organization_ids text[]",
    "user_ids text[]",
    "networks text[]",
    "last_used_at timestamptz",
    "last_used_from text",
)


def setting(name: str) -> str:
    """What `hold_to` said, null where nothing; read once a statement, not once a row."""
    return f"(SELECT nullif(current_setting('numbergate.{name}', true), ''))"


def within(column: str, name: str) -> str:
    return f"coalesce({column} = ANY ({setting(name)}::text[]), true)"


def likely(condition: str) -> str:
    """The same, and the planner takes it to be nearly always so: guessing half, it would sort what an index orders."""
    return f"nullif({condition}, false) IS NOT NULL"


OWN_COLUMNS = f"{within('organization_id', 'organizations')} AND {within('user_id', 'users')}"
UNHELD = f"({setting('organizations')} IS NULL AND {setting('users')} IS NULL)"
HELD = {
    "numbers": OWN_COLUMNS,
    "intents": OWN_COLUMNS,
    # Whoever may not see a number sees neither its agents nor what is done with it.
    "steps": f"{UNHELD} OR EXISTS (SELECT FROM numbers n WHERE n.id = steps.number_id)",
    "agent_links": f"{UNHELD} OR EXISTS (SELECT FROM numbers n WHERE n.id = agent_links.number_id)",
}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    # In the order in which a purchase takes them, so that the two wait for one another in turn.
    op.execute("LOCK TABLE intents, numbers, steps, agent_links, api_keys IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE api_keys " + ", ".join(f"ADD COLUMN {column}" for column in COLUMNS))
    op.execute("CREATE POLICY owner_notes_use ON api_keys FOR UPDATE TO numbergate_owner USING (true)")
    for name, roles in (
        ("limits_for", "numbergate_api, numbergate_worker"),
        ("hold_to", "numbergate_api, numbergate_worker"),
        ("keys_used", "numbergate_api"),
    ):
        op.execute((SQL / f"{name}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {roles}")
    for table, condition in HELD.items():
        op.execute(f"CREATE POLICY held_to ON {table} AS RESTRICTIVE TO numbergate_api USING ({likely(condition)})")


def downgrade() -> None:
    for table in HELD:
        op.execute(f"DROP POLICY held_to ON {table}")
    for name in ("keys_used", "hold_to", "limits_for"):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP POLICY owner_notes_use ON api_keys")
    op.execute("ALTER TABLE api_keys " + ", ".join(f"DROP COLUMN {column.split()[0]}" for column in COLUMNS))
