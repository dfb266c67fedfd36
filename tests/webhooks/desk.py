"""What a tenant does with webhooks, and what the worker does for it, when told to."""

from typing import Any
from uuid import uuid4

from sqlalchemy import text

from service.wiring import Services
from tests.support.gateway import Gateway, Tenant

ENDPOINTS = "/v1/webhook-endpoints"
NUMBER_DATA = '{"phone_number": "+13135550100", "organization_id": "o", "user_id": "u"}'


async def made(tenant: Tenant, url: str, **fields: Any) -> dict[str, Any]:
    answer = await tenant.send("POST", ENDPOINTS, json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def changed(tenant: Tenant, endpoint: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = await tenant.send("PATCH", f"{ENDPOINTS}/{endpoint['id']}", json=fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def found(tenant: Tenant, endpoint: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = (await tenant.get(f"{ENDPOINTS}/{endpoint['id']}")).json()
    return body


async def deliveries(tenant: Tenant, endpoint: dict[str, Any], **asked: Any) -> list[dict[str, Any]]:
    """Oldest first."""
    answer = await tenant.get(f"{ENDPOINTS}/{endpoint['id']}/deliveries", params={"limit": 1000, **asked})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]


async def happen(gateway: Gateway, tenant: Tenant, *numbers: str, kind: str = "number.releasing") -> None:
    """An event of each of these numbers, and the worker numbers them."""
    for number in numbers:
        await gateway.sql(
            "INSERT INTO outbox (tenant_id, kind, number_id, payload)"
            f" VALUES (:tenant, :kind, CAST(:number AS uuid), '{NUMBER_DATA}')",
            tenant=tenant.id, kind=kind, number=number,
        )  # fmt: skip
    while await gateway.worker.numbering.number():
        continue


async def deliver(gateway: Gateway, services: Services | None = None) -> None:
    """Have whatever is due sent, by this worker, until nothing is."""
    worker = services or gateway.worker
    while True:
        await worker.delivering.run()
        if not worker.delivering._turns:
            return
        await worker.delivering.rest()


async def hurry(gateway: Gateway) -> None:
    """As if the time of every next attempt had come."""
    await gateway.sql("UPDATE webhook_deliveries SET next_at = clock_timestamp() WHERE next_at IS NOT NULL")
    await gateway.sql("UPDATE webhook_endpoints SET retry_at = clock_timestamp() WHERE retry_at IS NOT NULL")
    await gateway.sql("UPDATE webhook_endpoints SET due_at = clock_timestamp() WHERE due_at IS NOT NULL")
    await deliver(gateway)


async def pass_time(gateway: Gateway, days: float) -> None:
    """As if everything that failed had begun to do so that long ago."""
    await gateway.sql("UPDATE webhook_deliveries SET first_at = first_at - make_interval(secs => :s)", s=days * 86_400)
    await gateway.sql(
        "UPDATE webhook_endpoints SET failing_since = failing_since - make_interval(secs => :s)", s=days * 86_400
    )


async def as_tenant(gateway: Gateway, tenant: Tenant, statement: str) -> None:
    """What the worker may not."""
    async with gateway.services.database.acting(tenant=tenant.id) as session:
        await session.execute(text(statement))


def a_number() -> str:
    return str(uuid4())
