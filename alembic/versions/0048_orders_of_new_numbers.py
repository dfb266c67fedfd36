"""Orders of new numbers: quota reserved for all of them at once, and sent by turns, by whichever worker has room.

An item that waits has its reservation, which `quotas.ordered` counts; one that was sent has an intent, which names it,
and what becomes of the intent becomes of the item by a trigger. What is sent counts in the periods in which it was
ordered. `order_shares` keeps whose turn it is, `sold_out` where Teli had none a while ago.

Items of other orders have none of this, and the version before makes no such order.

Revision ID: 0048
"""

from pathlib import Path

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

SQL = Path(__file__).parent.parent / "sql"
ITEM_COLUMNS = {
    "organization_id": "text",
    "user_id": "text",
    "intent_id": "uuid",
    "area_code": "text",
    "sold_out": "text[]",
    "tries": "integer NOT NULL DEFAULT 0",
    "counted_at": "timestamptz",
    "due_at": "timestamptz",
    "claimed_until": "timestamptz",
    "busy_since": "timestamptz",
}
ORDER_COLUMNS = {"deadline": "timestamptz", "turned_at": "timestamptz"}
INTENT_COLUMNS = {"order_id": "uuid", "order_seq": "integer", "counted_at": "timestamptz"}
WAITING = "WHERE outcome = 'waiting' AND counted_at IS NOT NULL"
INDEXES = {
    "order_items_to_buy": f"ON order_items (account_id, tenant_id, order_id, seq) {WAITING}",
    "order_items_reserved": f"ON order_items (tenant_id) {WAITING}",
    "order_items_reserved_of": f"ON order_items (organization_id, user_id) {WAITING}",
    "intents_of_order": "ON intents (order_id, order_seq) WHERE order_id IS NOT NULL",
}
TABLES = (
    """
    CREATE TABLE order_shares (
      account_id uuid NOT NULL REFERENCES accounts,
      tenant_id text NOT NULL,
      weight double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
      pass double precision NOT NULL DEFAULT 0,
      started double precision NOT NULL DEFAULT 0,
      PRIMARY KEY (account_id, tenant_id)
    )""",
    """
    CREATE TABLE sold_out (
      account_id uuid NOT NULL REFERENCES accounts,
      area_code text NOT NULL,
      since timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (account_id, area_code)
    )""",
)
# Each after those that it calls.
NEW = (
    "quotas_of_all", "reserve_order", "send_ordered", "move_ordered", "give_up_items", "claim_order_items",
    "item_follows_intent",
)  # fmt: skip
BOTH = ("reserve_order", "move_ordered", "give_up_items")
WORKERS = ("send_ordered", "claim_order_items")
CHANGED = {"counted": (3, 2), "recount_quota": (2, 1), "quota_limits": (2, 1), "admit": (6, 5), "settle": (5, 4)}


def functions(which: int) -> None:
    """Those that were changed: 0 as they are now, 1 as they were."""
    for name, versions in CHANGED.items():
        source = (SQL / f"{name}_v{versions[which]}.sql").read_text()
        op.execute(source.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    for table, columns in (("order_items", ITEM_COLUMNS), ("orders", ORDER_COLUMNS), ("intents", INTENT_COLUMNS)):
        added = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {kind}" for name, kind in columns.items())
        op.execute(f"ALTER TABLE {table} {added}")
    op.execute("ALTER TABLE quotas ADD COLUMN IF NOT EXISTS ordered bigint NOT NULL DEFAULT 0")
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '4s'")
        for name, on in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} {on}")
    for create in TABLES:
        op.execute(create.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
    for table in ("order_shares", "sold_out"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY worker_works ON {table} TO numbergate_worker USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON order_shares TO numbergate_worker")
    op.execute("GRANT SELECT ON order_shares TO numbergate_api")
    op.execute(
        "CREATE POLICY api_reads ON order_shares FOR SELECT TO numbergate_api"
        " USING (tenant_id = (SELECT nullif(current_setting('numbergate.tenant_id', true), '')))"
    )
    op.execute("GRANT SELECT ON sold_out TO numbergate_worker")
    op.execute("GRANT UPDATE (turned_at) ON orders TO numbergate_worker")
    op.execute(
        "GRANT UPDATE (intent_id, area_code, tries, due_at, claimed_until, busy_since) ON order_items"
        " TO numbergate_worker"
    )
    op.execute("CREATE POLICY owner_answers ON order_items FOR SELECT TO numbergate_owner USING (true)")
    op.execute("CREATE POLICY owner_follows ON order_items FOR UPDATE TO numbergate_owner USING (true)")
    op.execute("CREATE POLICY owner_follows ON orders TO numbergate_owner USING (true)")
    op.execute("CREATE POLICY owner_follows ON sold_out TO numbergate_owner USING (true) WITH CHECK (true)")
    for name in NEW:
        op.execute((SQL / f"{name}_v1.sql").read_text())
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
    for name in BOTH:
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO numbergate_api, numbergate_worker")
    for name in WORKERS:
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO numbergate_worker")
    functions(0)
    op.execute(
        "CREATE TRIGGER item_follows AFTER UPDATE OF state ON intents FOR EACH ROW"
        " WHEN (new.order_id IS NOT NULL AND new.state <> old.state) EXECUTE FUNCTION item_follows_intent()"
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '4s'")
    op.execute("DROP TRIGGER item_follows ON intents")
    functions(1)
    for name in reversed(NEW):
        op.execute(f"DROP FUNCTION {name}")
    # What an order had still to send is reserved no more.
    op.execute(
        "UPDATE quotas q SET ordered = 0, day = NULL, month = NULL, used = 0, reserved = 0, day_used = 0,"
        " day_reserved = 0, month_used = 0, month_reserved = 0, releases = 0 WHERE ordered > 0"
    )
    op.execute("CREATE POLICY owner_empties ON order_items TO numbergate_owner USING (true)")
    op.execute("DELETE FROM orders WHERE kind = 'buy'")
    for name in ("owner_empties", "owner_answers", "owner_follows"):
        op.execute(f"DROP POLICY {name} ON order_items")
    op.execute("DROP POLICY owner_follows ON orders")
    op.execute("DROP TABLE order_shares")
    op.execute("DROP TABLE sold_out")
    op.execute("DROP INDEX intents_of_order")
    for table, columns in (("order_items", ITEM_COLUMNS), ("orders", ORDER_COLUMNS), ("intents", INTENT_COLUMNS)):
        op.execute(f"ALTER TABLE {table} " + ", ".join(f"DROP COLUMN {name}" for name in columns))
    op.execute("ALTER TABLE quotas DROP COLUMN ordered")
