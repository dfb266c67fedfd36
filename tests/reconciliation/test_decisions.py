"""The operator's exits: doubts, orphans and ghosts decided by a person."""

import asyncio
from typing import Any

from tests.reconciliation.test_resolver import doubt, look_again
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant


async def decide(gateway: Gateway, kind: str, item: str, **decision: object):
    body = {"reason": "looked in the dashboard", **decision}
    return await gateway.operator.send("POST", f"/v1/admin/{kind}/{item}/resolve", json=body)


async def listed(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    answer = await gateway.operator.get(f"/v1/admin/{kind}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == {"value": len(answer.json()["items"]), "exact": True}
    return list(answer.json()["items"])


async def test_a_doubt_decided_owned_is_the_callers_number_and_its_candidate_is_explained(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.switch(nickname="dropped")
    operation = await doubt(gateway, tenant, step="answering")
    await look_again(gateway)
    [item] = await listed(gateway, "doubts")
    [candidate] = item["candidates"]

    answer = await decide(gateway, "doubts", operation, decision="owned", phone_number=candidate["phone_number"])

    assert answer.status_code == 200, answer.text
    found = await tenant.operation(operation)
    assert (found["state"], found["result"]["phone_number"]) == ("succeeded", candidate["phone_number"])
    assert await listed(gateway, "orphans") == []
    again = await decide(gateway, "doubts", operation, decision="refused")
    assert (again.status_code, again.json()["code"]) == (409, "state_conflict")
    assert "owned" in again.json()["detail"]


async def test_a_doubt_decided_refused_gives_its_quota_back_and_its_key_keeps_that_answer(
    gateway: Gateway, tenant: Tenant
):
    operation = await doubt(gateway, tenant, step="received")

    assert (await decide(gateway, "doubts", operation, decision="refused")).status_code == 200

    assert (await tenant.operation(operation))["state"] == "failed"
    assert await gateway.sql("SELECT used, reserved FROM tenant_quotas WHERE tenant_id = :t", t=tenant.id) == [(0, 0)]
    await gateway.sql("UPDATE intents SET decided_at = decided_at - interval '1 day'")
    assert (await tenant.buy(key="k1")).json()["code"] == "upstream_refused"


async def test_an_orphan_is_adopted_by_a_tenant_and_then_lives_like_any_number(gateway: Gateway, tenant: Tenant):
    [strange] = await gateway.teli.dashboard_buy("415", ORGANIZATION, USER, "Reception")
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")
    assert (orphan["phone_number"], orphan["tenant_id"], orphan["user_id"]) == (strange, None, USER)

    refused = await decide(gateway, "orphans", str(orphan["id"]), decision="adopt")
    assert refused.json()["errors"] == [{"pointer": "/tenant_id", "detail": "is required: this orphan names none"}]
    adopted = await decide(gateway, "orphans", str(orphan["id"]), decision="adopt", tenant_id=tenant.id)

    assert (adopted.status_code, adopted.json()["state"]) == (200, "adopted")
    listing = await tenant.get(f"/v1/voice/phone-numbers?user_id={USER}&organization_id={ORGANIZATION}")
    assert [row["phone_number"] for row in listing.json()["phone_numbers"]] == [strange]
    assert (await tenant.send("DELETE", f"/v1/voice/phone-numbers/{strange}")).status_code == 200
    assert await gateway.sql("SELECT used FROM tenant_quotas WHERE tenant_id = :t", t=tenant.id) == [(0,)]


async def test_an_orphan_is_given_back(gateway: Gateway, tenant: Tenant):
    await gateway.teli.dashboard_buy("415", ORGANIZATION, USER)
    await look_again(gateway)
    [orphan] = await listed(gateway, "orphans")

    answer = await decide(gateway, "orphans", str(orphan["id"]), decision="release", tenant_id=tenant.id)
    assert answer.status_code == 200, answer.text
    await gateway.follow_up()

    assert (await gateway.teli.counts())["held"] == 0
    assert await gateway.sql("SELECT state FROM numbers") == [("released",)]


async def test_a_number_gone_from_several_listings_is_a_ghost_that_heals_when_it_is_seen_again(open_gateway):
    async with open_gateway(upstream_timeout=0.3, settling_window=0.4) as gateway:
        tenant = await gateway.tenant()
        held = await tenant.bought()
        await gateway.follow_up()
        await look_again(gateway)
        await gateway.teli.arm("list_empty", times=4)
        for _ in range(4):
            await look_again(gateway)
            await asyncio.sleep(0.15)
        [ghost] = await listed(gateway, "ghosts")
        assert (ghost["id"], ghost["phone_number"]) == (held["id"], held["phone_number"])

        assert (await decide(gateway, "ghosts", held["id"], decision="missing")).status_code == 200
        assert await gateway.sql("SELECT used FROM tenant_quotas WHERE tenant_id = :t", t=tenant.id) == [(0,)]
        assert await listed(gateway, "ghosts") == []

        await look_again(gateway)
        assert await gateway.sql("SELECT state FROM numbers") == [("active",)]
        assert await gateway.sql("SELECT used FROM tenant_quotas WHERE tenant_id = :t", t=tenant.id) == [(1,)]


async def test_only_an_operator_decides(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")
    for other in (tenant, gateway.admin):
        body = {"decision": "refused", "reason": "because"}
        answer = await other.send("POST", f"/v1/admin/doubts/{operation}/resolve", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
