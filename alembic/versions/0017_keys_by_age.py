"""The indexes by which keys are listed and forgotten; and keys of numbers that were released before now expire too.

A number that the process before this one releases, while it still runs beside the new schema, leaves its key for good:
that lives too long, never too short.

Revision ID: 0017
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEXES = {
    "keys_by_age": "CREATE INDEX CONCURRENTLY IF NOT EXISTS keys_by_age"
    " ON idempotency_keys (created_at, tenant_id, scope, key)",
    "keys_by_end": "CREATE INDEX CONCURRENTLY IF NOT EXISTS keys_by_end"
    " ON idempotency_keys (expires_at) WHERE expires_at IS NOT NULL",
    "keyed_refusals_by_age": "CREATE INDEX CONCURRENTLY IF NOT EXISTS keyed_refusals_by_age"
    " ON intents (decided_at) WHERE state = 'refused' AND idempotency_key IS NOT NULL",
}


def upgrade() -> None:
    # Again is harmless.
    op.execute("-- squawk-ignore prefer-robust-stmts\nALTER TABLE idempotency_keys VALIDATE CONSTRAINT names_one_thing")
    with op.get_context().autocommit_block():
        # The owner is held to row-level security too, and has no right to these rows otherwise.
        op.execute("DROP POLICY IF EXISTS owner_fills_in ON idempotency_keys")
        op.execute("CREATE POLICY owner_fills_in ON idempotency_keys TO numbergate_owner USING (true)")
        op.execute(
            "UPDATE idempotency_keys k SET expires_at = n.released_at + interval '90 days'"
            " FROM numbers n WHERE n.intent_id = k.intent_id AND n.state = 'released' AND k.expires_at IS NULL"
        )
        op.execute("DROP POLICY owner_fills_in ON idempotency_keys")
        for name, build in INDEXES.items():
            # An interrupted build leaves an invalid index behind, so any leftover goes first.
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(build)


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"DROP INDEX {name}")
