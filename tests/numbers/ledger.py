"""What the ledger says of purchases, for tests to compare."""

from typing import Any

from tests.support.gateway import Gateway, Tenant


async def quota(gateway: Gateway, tenant: Tenant) -> tuple[int, int]:
    """(used, reserved)."""
    [(used, reserved)] = await gateway.sql(
        "SELECT used, reserved FROM quotas WHERE tenant_id = :tenant", tenant=tenant.id
    )
    return used, reserved


async def intents(gateway: Gateway, tenant: Tenant) -> list[str]:
    """The states of a tenant's intents, oldest first."""
    rows = await gateway.sql("SELECT state FROM intents WHERE tenant_id = :tenant ORDER BY id", tenant=tenant.id)
    return [row[0] for row in rows]


async def busy_slots(gateway: Gateway) -> int:
    [(busy,)] = await gateway.sql("SELECT count(*) FROM send_slots WHERE intent_id IS NOT NULL")
    return int(busy)


async def check(gateway: Gateway) -> None:
    """What holds whatever happened: the counters equal the rows, and nothing is kept that nobody uses."""
    assert (
        await gateway.sql(
            "SELECT q.tenant_id, q.used, q.reserved, n.used, i.reserved FROM quotas q"
            " CROSS JOIN LATERAL (SELECT count(*) AS used FROM numbers"
            "   WHERE tenant_id = q.tenant_id AND state <> 'released') n"
            " CROSS JOIN LATERAL (SELECT count(*) AS reserved FROM intents WHERE tenant_id = q.tenant_id"
            "   AND state IN ('sending', 'doubtful', 'unresolved')) i"
            " WHERE (q.used, q.reserved) IS DISTINCT FROM (n.used, i.reserved)"
        )
        == []
    )
    assert (
        await gateway.sql(
            "SELECT s.slot, i.state FROM send_slots s LEFT JOIN intents i ON i.id = s.intent_id"
            " WHERE s.intent_id IS NOT NULL AND i.state IS DISTINCT FROM 'sending'"
        )
        == []
    )
    assert (
        await gateway.sql(
            "SELECT i.id, i.state FROM intents i"
            " JOIN users u ON (u.organization_id, u.id) = (i.organization_id, i.user_id)"
            " WHERE i.holds_lane AND NOT (i.state = 'sending' OR (i.state = 'doubtful' AND u.exclusive))"
        )
        == []
    )


async def use_marks(gateway: Gateway) -> None:
    """Let the account be one whose marks have come back."""
    await gateway.sql("UPDATE accounts SET mode = 'mark'")


def outcome(body: dict[str, Any]) -> str:
    """The code of a problem, or what else an answer says."""
    return str(body.get("code") or ("pending" if body.get("pending") else "bought"))
