"""Indexes for the searches of the inventory, built while others write.

An order has an index for each of those who list: for all there is, for an organisation, and for a tenant's own; so that
a page costs the same however deep it is. What is released piles up at one end of time, and is kept out of the indexes
by age and by silence; only those by release have it alone. Words and tags have one, which an organisation and a tenant
narrow.

Revision ID: 0040
"""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

HELD, RELEASED = "state <> 'released'", "state = 'released'"
NICKNAME = "(coalesce(lower(nickname), '') COLLATE \"C\")"
IDLE_SINCE = "(coalesce(idle_since, 'infinity'::timestamptz))"
RELEASED_AT = "(coalesce(released_at, 'infinity'::timestamptz))"
WORDS = "(number_words(phone_number, pretty, nickname, tags, user_id, holder_user_id))"
SCOPES = {"numbers": "", "numbers_of_organization": "organization_id, ", "numbers_of_tenant": "tenant_id, "}
BY = {
    "held_by_age": ("acquired_at", HELD),
    "by_number": ("phone_number", None),
    "by_nickname": (NICKNAME, None),
    "by_silence": (IDLE_SINCE, HELD),
    "by_release": (RELEASED_AT, RELEASED),
}
OTHERS = {
    "numbers_of_organization_by_area": f"numbers (organization_id, area_code, acquired_at, id) WHERE {HELD}",
    # An organisation's user has an index from the first.
    "numbers_of_user_by_age": "numbers (user_id, acquired_at, id)",
    "numbers_of_holder_by_age": "numbers (holder_user_id, acquired_at, id) WHERE holder_user_id IS NOT NULL",
    "numbers_of_organization_by_holder": (
        "numbers (organization_id, holder_user_id, acquired_at, id) WHERE holder_user_id IS NOT NULL"
    ),
    "numbers_of_cost_center_by_age": "numbers (cost_center, acquired_at, id) WHERE cost_center IS NOT NULL",
    "numbers_of_organization_by_cost_center": (
        "numbers (organization_id, cost_center, acquired_at, id) WHERE cost_center IS NOT NULL"
    ),
    "numbers_of_organization_out_of_use": (
        "numbers (organization_id, acquired_at, id) WHERE state IN ('release_scheduled', 'releasing', 'missing')"
    ),
    # What waits to be sorted in is looked through by every search, and put away by whoever fills it: so it is kept
    # short.
    "numbers_by_word": (
        f"numbers USING gin (organization_id, tenant_id, tags, {WORDS} gin_trgm_ops)"
        " WITH (gin_pending_list_limit = 512)"
    ),
    "numbers_of_agent": "agent_links (desired, number_id) WHERE desired IS NOT NULL",
}


def _where(condition: str | None) -> str:
    return f" WHERE {condition}" if condition else ""


INDEXES = {
    f"{of}_{by}": f"numbers ({scope}{key}, id){_where(condition)}"
    for by, (key, condition) in BY.items()
    for of, scope in SCOPES.items()
    # A tenant's by number has been there from the first.
    if (of, by) != ("numbers_of_tenant", "by_number")
} | OTHERS


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # Where the operators of words stand; see service/migrations.py.
        op.execute("SET search_path = public, extensions")
        for name, what in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {what}")
        op.execute("RESET search_path")
        # Organisations differ in how much of theirs is released; guessed alike, one with nothing is searched through.
        op.execute("DROP STATISTICS IF EXISTS numbers_by_state_of_organization")
        op.execute("CREATE STATISTICS numbers_by_state_of_organization (mcv) ON organization_id, state FROM numbers")


def downgrade() -> None:
    op.execute("DROP STATISTICS numbers_by_state_of_organization")
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
