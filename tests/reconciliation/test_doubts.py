"""The operator's list of doubts."""

from typing import Any

from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant

DOUBTS = "/v1/admin/doubts"


async def doubtful(gateway: Gateway, tenant: Tenant, **fields: Any) -> str:
    await gateway.teli.arm("reset", step="bought")
    answer = await tenant.buy(**fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["operation_id"])


async def test_a_doubt_is_shown_with_what_was_heard_of_it(gateway: Gateway, tenant: Tenant):
    operation_id = await doubtful(gateway, tenant, nickname="Sales")

    answer = await gateway.operator.get(DOUBTS)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["next_cursor"], body["total"]) == (None, {"value": 1, "exact": True})
    [item] = body["items"]
    expected = {
        "id": operation_id,
        "phone_number": None,
        "state": "doubtful",
        "organization_id": ORGANIZATION,
        "tenant_id": tenant.id,
        "user_id": USER,
        "area_code": "313",
        "nickname": "Sales",
    }
    assert {name: item[name] for name in expected} == expected
    [evidence] = item["evidence"]
    assert evidence["kind"] == "broken"
    assert evidence["detail"]
    assert evidence["heard_at"].endswith("Z")


async def test_what_is_decided_is_no_doubt(gateway: Gateway, tenant: Tenant):
    await tenant.bought()
    await gateway.teli.stock("212", 0)
    await tenant.buy("212")

    assert (await gateway.operator.get(DOUBTS)).json()["items"] == []


async def test_doubts_come_oldest_first_page_by_page(gateway: Gateway, tenant: Tenant):
    ids = [await doubtful(gateway, tenant) for _ in range(5)]

    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        body = (await gateway.operator.get(DOUBTS, params=params)).json()
        assert body["total"] == {"value": 5, "exact": True}
        seen += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            break
        params["cursor"] = body["next_cursor"]

    assert seen == ids
    for wrong in ({"cursor": "A" * 40}, {"limit": 0}, {"limit": 1001}, {"state": "doubtful"}):
        assert (await gateway.operator.get(DOUBTS, params=wrong)).status_code == 400, wrong


async def test_only_an_operator_may_look(gateway: Gateway, tenant: Tenant):
    await doubtful(gateway, tenant)

    refused = await tenant.get(DOUBTS)
    nobody = await gateway.http.get(DOUBTS)

    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert nobody.status_code == 401
    assert len((await gateway.admin.get(DOUBTS)).json()["items"]) == 1
