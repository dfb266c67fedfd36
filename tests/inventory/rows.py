"""Numbers written straight into the ledger, and the inventory walked page by page."""

from typing import Any

import httpx

from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

INVENTORY = "/v1/numbers"


async def fill(
    gateway: Gateway,
    tenant_id: str,
    count: int,
    *,
    start: int = 0,
    organization: str = ORGANIZATION,
    user: str = USER,
    state: str = "active",
) -> None:
    """Numbers of one owner, three at each moment, from the `start`-th on."""
    await gateway.sql(
        """
        INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,
                             state, intent_id, mark, acquired_at)
        SELECT gen_random_uuid(), :tenant, (SELECT id FROM accounts), :organization, :user,
               '+1' || (2000000000 + n)::text, '', '313', :state, gen_random_uuid(), '',
               timestamptz '2026-01-01Z' + make_interval(secs => (n / 3))
        FROM generate_series(cast(:start AS int), cast(:start AS int) + cast(:count AS int) - 1) AS n
        """,
        tenant=tenant_id, organization=organization, user=user, state=state, start=start, count=count,
    )  # fmt: skip


async def ask(who: Tenant, **params: Any) -> httpx.Response:
    return await who.get(INVENTORY, params=params)


async def page(who: Tenant, **params: Any) -> dict[str, Any]:
    answer = await ask(who, **params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert list(body) == ["items", "next_cursor", "total"]
    return body


async def ids(who: Tenant, **params: Any) -> list[str]:
    """Of one page that must hold them all."""
    body = await page(who, limit=1000, **params)
    assert body["next_cursor"] is None
    assert body["total"] == {"value": len(body["items"]), "exact": True}
    return [item["id"] for item in body["items"]]
