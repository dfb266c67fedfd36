"""The operator's exits: doubts, orphans and ghosts decided by a person."""

import asyncio
from typing import Any

from tests.reconciliation.test_resolver import doubt, look_again
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant


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


async def undecided_release(gateway: Gateway, tenant: Tenant) -> tuple[dict[str, Any], str]:
    """A number that Teli says it does not know when it is to be released, and the operation."""
    held = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("server_error", operation="release", status=404, error="Phone number not found")
    answer = await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
    assert (answer.status_code, answer.json()["state"]) == (202, "unresolved")
    return held, str(answer.json()["operation_id"])


async def held_and_used(gateway: Gateway, number: dict[str, Any]) -> tuple[str, int]:
    """The number's state, and how many its tenant has in use."""
    [(state, used)] = await gateway.sql(
        "SELECT n.state, q.used FROM numbers n JOIN tenant_quotas q USING (tenant_id) WHERE n.id = :id", id=number["id"]
    )
    return state, used


async def test_an_unresolved_release_is_a_ghost_with_its_reason_and_decided_missing_it_is_released(
    gateway: Gateway, tenant: Tenant
):
    held, operation = await undecided_release(gateway, tenant)
    [ghost] = await listed(gateway, "ghosts")
    assert (ghost["id"], ghost["state"]) == (held["id"], "releasing")
    assert ghost["reason"] == "its release is unresolved: answered 404"

    answer = await decide(gateway, "ghosts", held["id"], decision="missing")

    assert (answer.status_code, answer.json()["state"]) == (200, "released"), answer.text
    assert await held_and_used(gateway, held) == ("released", 0)
    assert (await tenant.operation(operation))["state"] == "succeeded"
    again = await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
    assert (again.status_code, again.json()["already_released"]) == (200, True)
    assert await listed(gateway, "ghosts") == []
    assert [action for action, *_ in await gateway.audited(held["id"])][-2:] == ["ghost.missing", "number.released"]
    assert (await gateway.told(held["id"]))[-1] == "number.released"
    for decision in ("missing", "still_ours"):
        late = await decide(gateway, "ghosts", held["id"], decision=decision)
        assert (late.status_code, late.json()["code"]) == (409, "state_conflict")
        assert "resolved meanwhile: the number is released at 20" in late.json()["detail"]
    assert await held_and_used(gateway, held) == ("released", 0)


async def test_an_unresolved_release_decided_still_ours_has_failed_and_the_number_can_be_released_again(
    gateway: Gateway, tenant: Tenant
):
    held, operation = await undecided_release(gateway, tenant)

    answer = await decide(gateway, "ghosts", held["id"], decision="still_ours")

    assert (answer.status_code, answer.json()["state"]) == (200, "active"), answer.text
    assert await held_and_used(gateway, held) == ("active", 1)
    failed = await tenant.operation(operation)
    assert (failed["state"], failed["problem"]["code"]) == ("failed", "state_conflict")
    assert await listed(gateway, "ghosts") == []
    assert (await gateway.told(held["id"]))[-1] == "number.still_ours"
    again = await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert again.json()["operation_id"] != operation
    await gateway.hurry()
    assert await held_and_used(gateway, held) == ("released", 0)
    assert (await gateway.teli.counts())["held"] == 0


async def test_a_number_that_stands_under_another_row_is_not_deleted_though_it_was_vouched_for(open_gateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.6) as gateway:
        tenant = await gateway.tenant()
        held = await tenant.bought()
        await gateway.follow_up()
        await gateway.teli.switch(recycle_released=True)
        await gateway.teli.arm("reset", operation="release", step="removed")
        await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
        [recycled] = await gateway.teli.dashboard_buy("313", organization_id=ORGANIZATION, user_id=USER)
        assert recycled == held["phone_number"]
        await asyncio.sleep(0.7)
        await gateway.hurry()
        [ghost] = await listed(gateway, "ghosts")
        assert ghost["reason"] == "its release is unresolved: its E.164 is listed under another row id"
        await decide(gateway, "ghosts", held["id"], decision="still_ours")
        await gateway.teli.forget_requests()

        await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}")
        await gateway.hurry()

        assert await gateway.teli.requests("release") == []
        assert (await gateway.teli.counts())["held"] == 1
        assert await held_and_used(gateway, held) == ("releasing", 1)


async def test_a_release_under_way_is_nobodys_to_decide_and_an_unresolved_one_does_not_heal_by_itself(
    gateway: Gateway, tenant: Tenant
):
    held, _ = await undecided_release(gateway, tenant)
    await look_again(gateway)
    await look_again(gateway)
    assert await held_and_used(gateway, held) == ("releasing", 1)
    await gateway.sql("UPDATE steps SET state = 'waiting' WHERE kind = 'release'")

    answer = await decide(gateway, "ghosts", held["id"], decision="missing")

    assert (answer.status_code, answer.json()["detail"]) == (409, "The release of this number is under way.")
    assert await listed(gateway, "ghosts") == []


async def never_listed(gateway: Gateway, tenant: Tenant) -> dict[str, Any]:
    await gateway.teli.switch(list_lag_seconds=3600)
    number = await tenant.bought()
    await gateway.follow_up()
    assert number["id"] not in [ghost["id"] for ghost in await listed(gateway, "ghosts")]
    await gateway.sql("UPDATE numbers SET acquired_at = acquired_at - interval '1 hour'")
    return number


async def test_a_number_that_is_never_listed_is_a_ghost_until_it_is_decided_and_heals_when_it_is_seen(
    gateway: Gateway, tenant: Tenant
):
    number = await never_listed(gateway, tenant)
    [ghost] = await listed(gateway, "ghosts")
    assert (ghost["id"], ghost["reason"], ghost["row_id"]) == (number["id"], "bought, and never listed", None)

    answer = await decide(gateway, "ghosts", number["id"], decision="missing")

    assert (answer.status_code, answer.json()["state"]) == (200, "missing")
    assert await held_and_used(gateway, number) == ("missing", 0)
    assert await listed(gateway, "ghosts") == []
    again = await decide(gateway, "ghosts", number["id"], decision="still_ours")
    assert (again.status_code, again.json()["state"]) == (409, "missing")
    await gateway.teli.advance(3601)
    await gateway.hurry()
    await look_again(gateway)
    assert await held_and_used(gateway, number) == ("active", 1)


async def test_a_number_that_is_never_listed_and_still_ours_is_back_on_the_list_a_window_later(
    gateway: Gateway, tenant: Tenant
):
    number = await never_listed(gateway, tenant)
    await gateway.sql("UPDATE numbers SET state = 'release_scheduled'")

    answer = await decide(gateway, "ghosts", number["id"], decision="still_ours")

    assert (answer.status_code, answer.json()["state"]) == (200, "release_scheduled")
    assert await listed(gateway, "ghosts") == []
    await gateway.sql("UPDATE numbers SET still_ours_at = still_ours_at - interval '1 hour'")
    assert [ghost["id"] for ghost in await listed(gateway, "ghosts")] == [number["id"]]


async def test_ghosts_of_every_kind_come_page_by_page_oldest_first(gateway: Gateway, tenant: Tenant):
    released = [await undecided_release(gateway, tenant) for _ in range(2)]
    unlisted = await never_listed(gateway, tenant)
    oldest_first = [unlisted["id"], *(held["id"] for held, _ in released)]

    first = (await gateway.operator.get("/v1/admin/ghosts", params={"limit": 2})).json()
    second = (await gateway.operator.get("/v1/admin/ghosts", params={"cursor": first["next_cursor"]})).json()

    assert [item["id"] for item in [*first["items"], *second["items"]]] == oldest_first
    assert first["total"] == {"value": 3, "exact": True}


async def test_how_an_operator_knew_is_in_the_audit_log(gateway: Gateway, tenant: Tenant):
    operation = await doubt(gateway, tenant, step="received")

    await decide(gateway, "doubts", operation, decision="refused")

    kept = "SELECT action, tenant_id, after ->> 'reason' FROM audit WHERE object_id = :id ORDER BY id DESC LIMIT 1"
    assert await gateway.sql(kept, id=operation) == [("doubt.refused", tenant.id, "looked in the dashboard")]
