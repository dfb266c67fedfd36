"""Imports: numbers bought before Numbergate, adopted as an order of their own kind, each with the price it was told.

An import is an administrator's. What becomes of a row that names no number, or no tenant, is an item too: so those may
be null, and nothing but the import says who sees it. Who sees an organisation whole sees what is listed of it. Orders
of the version before have neither content nor such items.

Revision ID: 0041
"""

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

DUTY = "current_setting('numbergate.duty', true)"
SEES = "coalesce(nullif(current_setting('numbergate.sees', true), ''), '{}')::text[]"
OPERATES = f"{DUTY} = 'operator'"
SEEN = f"(organization_id = ANY ({SEES}) OR '*' = ANY ({SEES}))"
ADMINISTERS = (
    f"(SELECT {DUTY} = 'admin') AND ((SELECT '*' = ANY ({SEES})) OR organization_id = ANY ((SELECT {SEES})::text[]))"
)
# Teli names the organisation of what was there before in either form of its id; the row's own is known.
LISTED = (
    "EXISTS (SELECT FROM upstream_rows r"
    " WHERE r.account_id = existing_numbers.account_id AND r.row_id = existing_numbers.row_id)"
)
OF_ORDER = "EXISTS (SELECT FROM orders o WHERE o.id = order_items.order_id{})"
FITTED = " AND coalesce(o.tenant_id, order_items.tenant_id) = order_items.tenant_id"
FITS = " AND coalesce(o.tenant_id, order_items.tenant_id) IS NOT DISTINCT FROM order_items.tenant_id"
KINDS = "'release', 'change', 'buy'"


def kinds(allowed: str) -> None:
    op.execute("-- squawk-ignore ban-drop-constraint\nALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_kind_check")
    op.execute(f"ALTER TABLE orders ADD CONSTRAINT orders_kind_check CHECK (kind IN ({allowed})) NOT VALID")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute(
        "ALTER TABLE numbers ADD COLUMN IF NOT EXISTS price_setup bigint,"
        " ADD COLUMN IF NOT EXISTS price_monthly bigint, ADD COLUMN IF NOT EXISTS price_currency text"
    )
    op.execute("ALTER TABLE orders ADD COLUMN IF NOT EXISTS content bytea")
    # A process of the version before has no kind of order that makes such items.
    for column in ("tenant_id", "account_id"):
        op.execute(
            "-- squawk-ignore ban-drop-not-null, prefer-robust-stmts\n"
            f"ALTER TABLE order_items ALTER COLUMN {column} DROP NOT NULL"
        )
    kinds(f"{KINDS}, 'import'")
    op.execute(f"ALTER POLICY api_inserts ON order_items WITH CHECK ({OF_ORDER.format(FITS)})")
    op.execute("GRANT UPDATE (number_id) ON order_items TO numbergate_worker")
    op.execute("GRANT UPDATE (actor) ON orders TO numbergate_api")
    for table in ("listings", "upstream_rows"):
        op.execute(f"ALTER POLICY api_reads ON {table} USING ((SELECT {OPERATES}) OR ({ADMINISTERS}))")
    op.execute(f"ALTER POLICY api_reads ON existing_numbers USING ({SEEN} OR ((SELECT {DUTY} = 'admin') AND {LISTED}))")
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '4s'")
        # Again is harmless.
        op.execute("-- squawk-ignore prefer-robust-stmts\nALTER TABLE orders VALIDATE CONSTRAINT orders_kind_check")
        # An interrupted build leaves an invalid index behind, so any leftover goes first.
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS orders_by_content")
        op.execute(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_by_content ON orders (content) WHERE content IS NOT NULL"
        )


def downgrade() -> None:
    op.execute("DROP INDEX orders_by_content")
    op.execute(f"ALTER POLICY api_reads ON existing_numbers USING ({SEEN})")
    for table in ("listings", "upstream_rows"):
        op.execute(f"ALTER POLICY api_reads ON {table} USING ({OPERATES})")
    op.execute("REVOKE UPDATE (actor) ON orders FROM numbergate_api")
    op.execute("REVOKE UPDATE (number_id) ON order_items FROM numbergate_worker")
    op.execute(f"ALTER POLICY api_inserts ON order_items WITH CHECK ({OF_ORDER.format(FITTED)})")
    # The owner is held to row-level security too, and has no right to these rows otherwise.
    for table in ("orders", "order_items"):
        op.execute(f"CREATE POLICY owner_empties ON {table} TO numbergate_owner USING (true)")
    op.execute("DELETE FROM orders WHERE kind = 'import'")
    for table in ("orders", "order_items"):
        op.execute(f"DROP POLICY owner_empties ON {table}")
    kinds(KINDS)
    op.execute("ALTER TABLE order_items ALTER COLUMN tenant_id SET NOT NULL, ALTER COLUMN account_id SET NOT NULL")
    op.execute("ALTER TABLE orders DROP COLUMN content")
    op.execute("ALTER TABLE numbers DROP COLUMN price_setup, DROP COLUMN price_monthly, DROP COLUMN price_currency")
