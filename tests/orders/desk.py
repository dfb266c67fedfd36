"""Many numbers changed at once, as callers and the worker do it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import httpx

from tests.simulator.control import SimulatorControl
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

BULK = "/v1/numbers/bulk"
Sql = Callable[..., Awaitable[Any]]
RELEASE: dict[str, Any] = {"release": {}}


async def ask(who: Tenant, selection: dict[str, Any], change: dict[str, Any], **headers: str) -> httpx.Response:
    body = {"action": "preview", "selection": selection, "change": change}
    return await who.send("POST", BULK, json=body, headers=headers)


async def preview(who: Tenant, selection: dict[str, Any], change: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await ask(who, selection, change, **headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def apply(who: Tenant, token: str, **headers: str) -> httpx.Response:
    return await who.send("POST", BULK, json={"action": "apply", "token": token}, headers=headers)


async def applied(who: Tenant, shown: dict[str, Any]) -> dict[str, Any]:
    answer = await apply(who, shown["token"])
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/orders/{shown['order_id']}"
    body: dict[str, Any] = answer.json()
    return body


async def work(gateway: Gateway) -> None:
    """Let the worker do all that is to be done of every order."""
    accounts = [row[0] for row in await gateway.sql("SELECT id FROM accounts")]
    for _ in range(200):
        for account in accounts:
            await gateway.worker.order_work.run(account)
        await gateway.follow_up()
        for account in accounts:
            await gateway.worker.order_work.run(account)
        await gateway.worker.order_work.close()
        if not await gateway.sql("SELECT 1 FROM orders WHERE state IN ('pending', 'running')"):
            return
    raise AssertionError("it never ends")


async def order(who: Tenant, order_id: str) -> dict[str, Any]:
    answer = await who.get(f"/v1/orders/{order_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def items(who: Tenant, order_id: str, **params: Any) -> list[dict[str, Any]]:
    answer = await who.get(f"/v1/orders/{order_id}/items", params={"limit": 1000, **params})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def deletes(gateway: Gateway) -> list[str]:
    """The numbers that Teli was told to release, each as often as it was."""
    return [named(one) for one in await gateway.teli.requests("release")]


def named(request: dict[str, Any]) -> str:
    """The E.164 that a request is about."""
    return unquote(str(request["path"]).rpartition("/")[2])


async def stocked(
    teli: SimulatorControl, sql: Sql, tenant: str, count: int, *, organization: str = ORGANIZATION, user: str = USER
) -> list[str]:
    """Numbers that Teli and the ledger both hold for a tenant, confirmed; their E.164, oldest first."""
    bought = set(await teli.dashboard_buy("313", organization, user, count=count))
    rows = [one for one in (await teli.truth())["record"]["rows"] if one["phone_number"] in bought]
    given = [{"row_id": one["id"], "phone_number": one["phone_number"]} for one in rows]
    await sql(
        """
        INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,
                             state, mark, marked, acquired_at, confirmed_at, upstream_row_id, upstream_nickname)
        SELECT gen_random_uuid(), t.id, t.account_id, $2, $3, r.phone_number, '', '313', 'active',
               '', false, now() - interval '40 days' + make_interval(secs => r.place), now(), r.row_id, ''
        FROM tenants t, ROWS FROM (jsonb_to_recordset($4::jsonb) AS (row_id text, phone_number text))
          WITH ORDINALITY AS r (row_id, phone_number, place)
        WHERE t.id = $1
        """,
        tenant, organization, user, json.dumps(given),
    )  # fmt: skip
    return [one["phone_number"] for one in given]


async def stocked_here(gateway: Gateway, tenant: Tenant, count: int) -> list[str]:
    async def sql(statement: str, *values: Any) -> None:
        named = {f"v{place}": value for place, value in enumerate(values, start=1)}
        await gateway.sql(re.sub(r"\$(\d)(::jsonb)?", cast, statement), **named)

    return await stocked(gateway.teli, sql, tenant.id, count)


def cast(found: "re.Match[str]") -> str:
    return f"CAST(:v{found[1]} AS {'jsonb' if found[2] else 'text'})"


def wanted(quantity: int | None = 3, **more: Any) -> dict[str, Any]:
    """The body of an order of new numbers."""
    owner = {} if {"user_ids", "items"} & more.keys() else {"user_id": USER}
    count = {} if quantity is None else {"quantity": quantity}
    return {"area_codes": ["313"], "organization_id": ORGANIZATION, **owner, **count, **more}


async def place(who: Tenant, quantity: int | None = 3, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await who.send("POST", "/v1/orders", json=wanted(quantity, **more), headers=headers)


async def placed(who: Tenant, quantity: int | None = 3, **more: Any) -> str:
    """Order numbers; the order's id."""
    answer = await place(who, quantity, **more)
    assert answer.status_code == 202, answer.text
    order_id = str(answer.json()["order_id"])
    assert answer.headers["Location"] == f"/v1/orders/{order_id}"
    return order_id


async def buy(gateway: Gateway, *, until_over: bool = True, within: float = 60) -> None:
    """Let the worker buy what was ordered, until all orders are over; else only as long as there is something to do."""
    accounts = [row[0] for row in await gateway.sql("SELECT id FROM accounts")]
    await gateway.worker.version.look()
    async with asyncio.timeout(within):
        while True:
            more = [await gateway.worker.buying.send(account) for account in accounts]
            await gateway.worker.buying.give_up()
            await gateway.worker.order_work.close()
            if not any(more) and not until_over:
                return
            if not await gateway.sql("SELECT 1 FROM orders WHERE state IN ('pending', 'running')"):
                return
            await asyncio.sleep(0.01)


async def quotas_are_exact(gateway: Gateway) -> None:
    """Every counter is what it counts, and nothing is reserved."""
    found = await gateway.sql("SELECT to_jsonb(q), to_jsonb(c) FROM quotas q, LATERAL counted(q) c")
    for kept, counted in found:
        assert kept == counted, kept["scope"]
        assert {kept[name] for name in ("reserved", "ordered", "day_reserved", "month_reserved")} == {0}, kept
