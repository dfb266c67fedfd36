"""Campaigns as tests ask for them, and what the simulator knows of them."""

from typing import Any

import asyncpg
import httpx

from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

CAMPAIGNS = "/v1/voice/campaigns"
LEADS = [{"phone_number": "+14155550101", "first_name": "Ada"}, {"phone_number": "+14155550102"}]
AGENT = "agent_0123456789abcdef0123456789"


def body(caller_id: str, campaign_id: str = "spring 1", **fields: Any) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "leads": LEADS,
        "voice_agent_id": AGENT,
        "agent_outbound_number": caller_id,
        "organization_id": ORGANIZATION,
        "user_id": USER,
        **fields,
    }


async def ask(tenant: Tenant, caller_id: str, *, prefer: str | None = None, **fields: Any) -> httpx.Response:
    headers = {} if prefer is None else {"Prefer": prefer}
    return await tenant.send("POST", CAMPAIGNS, json=body(caller_id, **fields), headers=headers)


async def created(tenant: Tenant, caller_id: str, **fields: Any) -> dict[str, Any]:
    answer = await ask(tenant, caller_id, **fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def dialled(gateway: Gateway) -> dict[str, int]:
    """How often each lead was rung up."""
    counted: dict[str, int] = {}
    for row in (await gateway.teli.truth())["dialled"]:
        counted[row["phone_number"]] = counted.get(row["phone_number"], 0) + row["calls"]
    return counted


async def creates(gateway: Gateway) -> int:
    """Requests to create one that reached Teli."""
    return len(await gateway.teli.requests("campaign_create"))


async def look(gateway: Gateway, *, later: float = 0) -> None:
    """Let the worker look at every campaign that is not over, as if so many seconds had gone by."""
    past = f"clock_timestamp() - make_interval(secs => {later})"
    connection = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
    try:
        await connection.execute(
            f"UPDATE campaigns SET look_at = {past}, lease_until = least(lease_until, {past}),"
            f" send_ended_at = least(send_ended_at, {past}), absent_since = least(absent_since, {past})"
        )
    finally:
        await connection.close()
    [[account]] = await gateway.sql("SELECT id FROM accounts")
    await gateway.worker.campaigns.following.run(account)
