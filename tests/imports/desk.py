"""Numbers bought before Numbergate, imported as a person does it."""

from typing import Any

import httpx

from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

IMPORTS = "/v1/imports"


async def bought_before(gateway: Gateway, count: int = 1, **kwargs: Any) -> list[str]:
    """Numbers that the account held before it was first listed, as listings have shown since; in their order."""
    await gateway.sql("UPDATE accounts SET listed_at = NULL")
    bought = await gateway.teli.dashboard_buy("313", kwargs.pop("organization", ORGANIZATION), USER, count=count)
    for number, nickname in kwargs.pop("nicknames", {}).items():
        await gateway.teli.dashboard_rename(bought[number], nickname)
    await gateway.worker.existing.list_new_accounts()
    await gateway.services.version.look()
    await gateway.look_everywhere()
    return sorted(bought)


async def ask(who: Tenant, sheet: str | bytes, *, content_type: str = "text/csv", **said: Any) -> httpx.Response:
    """`said`: of all; with underscores for headers."""
    body = sheet.encode() if isinstance(sheet, str) else sheet
    headers = {"Content-Type": content_type} | said.pop("headers", {})
    return await who.send("POST", f"{IMPORTS}/csv", content=body, params=said, headers=headers)


async def shown(who: Tenant, sheet: str | bytes, **said: Any) -> dict[str, Any]:
    answer = await ask(who, sheet, **said)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"{IMPORTS}/{body['import_id']}"
    return body


async def shown_listed(who: Tenant, **said: Any) -> dict[str, Any]:
    answer = await who.send("POST", IMPORTS, json={"source": "upstream", **said})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def apply(who: Tenant, import_id: str, **headers: str) -> httpx.Response:
    return await who.send("POST", f"{IMPORTS}/{import_id}/apply", headers=headers)


async def applied(gateway: Gateway, told: dict[str, Any], **headers: str) -> dict[str, Any]:
    """Set going by the administrator, and worked off."""
    answer = await apply(gateway.admin, told["import_id"], **headers)
    assert answer.status_code == 202, answer.text
    await work(gateway)
    return await one(gateway.admin, told["import_id"])


async def work(gateway: Gateway) -> None:
    """Let the worker do all that is to be done of imports."""
    for (account,) in await gateway.sql("SELECT id FROM accounts"):
        await gateway.worker.order_work.run(account)
    await gateway.worker.order_work.close()


async def one(who: Tenant, import_id: str) -> dict[str, Any]:
    answer = await who.get(f"{IMPORTS}/{import_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def items(who: Tenant, import_id: str, **params: Any) -> list[dict[str, Any]]:
    answer = await who.get(f"{IMPORTS}/{import_id}/items", params={"limit": 1000, **params})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def reasons(told: dict[str, Any]) -> dict[str, int]:
    return {one["reason"]: one["count"] for one in told["preview"]["skipped"]["reasons"]}
