"""Fewer indexes on numbers: each costs every purchase and change, and some served what others serve nearly as well.

What is released has indexes by age of its own, which a purchase does not touch, in place of indexes of everything. A
user's, a holder's and a cost centre's numbers have one index each, which has those of an organisation in order. How
often a number was had narrows nothing, for it is few times. A tenant's own by nickname or by silence are sorted, or
found among all in that order, whichever is quicker.

Revision ID: 0046
"""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

RELEASED = "state = 'released'"
CENTER, HOLDER = "cost_center IS NOT NULL", "holder_user_id IS NOT NULL"
NICKNAME = "(coalesce(lower(nickname), '') COLLATE \"C\")"
IDLE_SINCE = "(coalesce(idle_since, 'infinity'::timestamptz))"
NEW = {
    "numbers_released_by_age": f"numbers (acquired_at, id) WHERE {RELEASED}",
    "numbers_of_organization_released_by_age": f"numbers (organization_id, acquired_at, id) WHERE {RELEASED}",
    "numbers_of_tenant_released_by_age": f"numbers (tenant_id, acquired_at, id) WHERE {RELEASED}",
    # An organisation's in their order; those of all organisations are few enough to be sorted.
    "numbers_of_owner": "numbers (user_id, organization_id, acquired_at, id)",
    "numbers_of_holder": f"numbers (holder_user_id, organization_id, acquired_at, id) WHERE {HOLDER}",
    "numbers_of_cost_center": f"numbers (cost_center, organization_id, acquired_at, id) WHERE {CENTER}",
}
OLD = {
    "numbers_by_age": "numbers (acquired_at, id)",
    "numbers_of_organization": "numbers (organization_id, acquired_at, id)",
    "numbers_of_tenant_by_age": "numbers (tenant_id, acquired_at, id)",
    "numbers_of_user": "numbers (organization_id, user_id, acquired_at, id)",
    "numbers_of_user_by_age": "numbers (user_id, acquired_at, id)",
    "numbers_of_holder_by_age": f"numbers (holder_user_id, acquired_at, id) WHERE {HOLDER}",
    "numbers_of_organization_by_holder": f"numbers (organization_id, holder_user_id, acquired_at, id) WHERE {HOLDER}",
    "numbers_of_cost_center_by_age": f"numbers (cost_center, acquired_at, id) WHERE {CENTER}",
    "numbers_of_organization_by_cost_center": f"numbers (organization_id, cost_center, acquired_at, id) WHERE {CENTER}",
    "numbers_of_tenant_by_nickname": f"numbers (tenant_id, {NICKNAME}, id)",
    "numbers_of_tenant_by_silence": f"numbers (tenant_id, {IDLE_SINCE}, id) WHERE state <> 'released'",
    "acquisitions_of_number": "numbers (account_id, phone_number, released_at)",
}


def upgrade() -> None:
    _replace(OLD, NEW)


def downgrade() -> None:
    _replace(NEW, OLD)


def _replace(old: dict[str, str], new: dict[str, str]) -> None:
    with op.get_context().autocommit_block():
        for name, what in new.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {what}")
        for name in old:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
