"""The numbers that a transaction's principal may see, as a view that leaves searches their indexes.

Under row-level security a condition that might tell of a row, as `LIKE`, `@>` and `lower()` might, is looked at only
after the policy has passed the row, and no index answers it. The view asks for the same as the policies `api_reads` and
`held_to` of `numbers`, in their own words, and is read by the rights of its owner, whom the policies let see all: so
the planner may take conditions in whichever order is quickest. What changes those policies changes this view too.

`number_words` is what `q` looks through. Every part is on a line of its own, so that no word is found across two.

Revision ID: 0039
"""

from pathlib import Path

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"

COLUMNS = (
    "id, tenant_id, account_id, organization_id, user_id, holder_user_id, phone_number, pretty, area_code, number_type,"
    " nickname, cost_center, tags, state, intent_id, mark, marked, acquired_at, confirmed_at, upstream_row_id,"
    " upstream_created_at, subscription_id, upstream_nickname, released_at, still_ours_at, last_inbound_call_at,"
    " last_outbound_call_at, idle_since"
)
TENANT = "nullif(current_setting('numbergate.tenant_id', true), '')"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
READS = (
    f"(SELECT '*' = ANY ({SEES})) OR tenant_id = (SELECT {TENANT}) OR organization_id = ANY ((SELECT {SEES})::text[])"
)
WITHIN = "coalesce({} = ANY ((SELECT nullif(current_setting('numbergate.{}', true), ''))::text[]), true)"
HELD = f"{WITHIN.format('organization_id', 'organizations')} AND {WITHIN.format('user_id', 'users')}"
# The worker sees all, as by its own policy.
SEEN = f"(SELECT current_user = 'numbergate_worker') OR ({READS}) AND {HELD}"


def upgrade() -> None:
    op.execute((SQL / "number_words_v1.sql").read_text())
    op.execute("REVOKE ALL ON FUNCTION number_words FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION number_words TO numbergate_api, numbergate_worker")
    # The planner takes it to be nearly always so: guessing half, it would sort what an index orders.
    op.execute(f"CREATE VIEW numbers_seen AS SELECT {COLUMNS} FROM numbers WHERE nullif({SEEN}, false) IS NOT NULL")
    op.execute("GRANT SELECT ON numbers_seen TO numbergate_api, numbergate_worker")


def downgrade() -> None:
    op.execute("DROP VIEW numbers_seen")
    op.execute("DROP FUNCTION number_words")
