"""The operator's list of keys."""

from datetime import datetime, timedelta
from typing import Any

from tests.http.refusals import problem
from tests.support.gateway import Gateway, Tenant

PATH = "/v1/admin/idempotency-keys"


async def listed(who: Tenant, **query: Any) -> list[dict[str, Any]]:
    answer = await who.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    if page["next_cursor"] is None and "cursor" not in query:
        assert page["total"] == {"value": len(page["items"]), "exact": True}
    items: list[dict[str, Any]] = page["items"]
    return items


async def filled(gateway: Gateway, tenant: Tenant) -> dict[str, Any]:
    """A key of each kind; the number that was bought."""
    bought = await tenant.bought(key="bought")
    await gateway.teli.arm("out_of_stock")
    await tenant.buy(key="refused")
    path, headers = f"/v1/voice/phone-numbers/{bought['phone_number']}", {"Prefer": "wait=60"}
    await tenant.send(
        "POST", f"{path}/update-agent", json={"nickname": "a"}, headers={"Idempotency-Key": "k"} | headers
    )
    stop = {"scope": "global", "reason": "r"}
    await gateway.operator.send("POST", "/v1/admin/stop", json=stop, headers={"Idempotency-Key": "k"})
    await tenant.send("DELETE", path, headers={"Idempotency-Key": "l"} | headers)
    return bought


async def test_every_key_tells_what_it_names_and_until_when(gateway: Gateway, tenant: Tenant):
    bought = await filled(gateway, tenant)
    number = bought["phone_number"]

    items = await listed(gateway.operator)

    assert [(one["scope"], one["key"], one["state"], one["phone_number"]) for one in items] == [
        (f"DELETE /v1/voice/phone-numbers/{number}", "l", "succeeded", number),
        ("POST /v1/admin/stop", "k", "succeeded", None),
        (f"POST /v1/voice/phone-numbers/{number}/update-agent", "k", "succeeded", number),
        ("create", "refused", "failed", None),
        ("create", "bought", "succeeded", number),
    ]
    assert [one["tenant_id"] for one in items] == [tenant.id, None, tenant.id, tenant.id, tenant.id]
    assert [one["actor"] is None for one in items] == [True, False, True, True, True]
    assert [one["operation_id"] is None for one in items] == [False, True, False, False, False]
    assert items[-1]["operation_id"] == bought["operation_id"]
    assert all(len(one["fingerprint"]) == 16 for one in items)
    days = [datetime.fromisoformat(one["expires_at"]) - datetime.fromisoformat(one["created_at"]) for one in items]
    assert [round(one / timedelta(days=1)) for one in days] == [30, 30, 30, 30, 90]


async def test_a_held_numbers_key_and_that_of_a_doubt_have_no_end_yet(gateway: Gateway, tenant: Tenant):
    await tenant.bought(key="held")
    await gateway.teli.arm("html_error")
    await tenant.buy(key="doubt")

    items = await listed(gateway.admin)

    assert [(one["key"], one["state"], one["expires_at"]) for one in items] == [
        ("doubt", "pending", None),
        ("held", "succeeded", None),
    ]


async def test_each_filter_is_exact(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    await filled(gateway, tenant)
    await gateway.sql(
        "UPDATE idempotency_keys SET key = 'of-another', tenant_id = :t WHERE key = 'refused'", t=other.id
    )

    assert {one["tenant_id"] for one in await listed(gateway.operator, tenant_id=tenant.id)} == {tenant.id}
    assert [one["key"] for one in await listed(gateway.operator, tenant_id=other.id)] == ["of-another"]
    assert len(await listed(gateway.operator, key="k")) == 2
    assert [one["key"] for one in await listed(gateway.operator, key="k", scope="POST /v1/admin/stop")] == ["k"]
    assert [one["key"] for one in await listed(gateway.operator, state="failed")] == ["of-another"]
    assert await listed(gateway.operator, key="bough") == []


async def test_pages_follow_one_another_and_a_cursor_continues_its_own_filters_alone(gateway: Gateway, tenant: Tenant):
    await filled(gateway, tenant)
    whole = await listed(gateway.operator)
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(len(whole)):
        answer = await gateway.operator.get(PATH, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
        foreign = await gateway.operator.get(PATH, params={"limit": 2, "cursor": cursor, "key": "k"})
        problem(foreign, 400, "invalid_request")

    assert found == whole


async def test_only_operators_and_administrators_see_it(gateway: Gateway, tenant: Tenant):
    problem(await tenant.get(PATH), 403, "scope_missing")
    for query in ({"state": "lost"}, {"limit": 0}, {"limit": 1001}, {"colour": "red"}):
        problem(await gateway.operator.get(PATH, params=query), 400, "invalid_request")
