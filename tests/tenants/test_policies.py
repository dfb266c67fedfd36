"""Policies of tenants: set, listed, and held wherever purchases and changes are asked for."""

from typing import Any

import httpx
import pytest

from tests.conftest import OpenGateway
from tests.http.refusals import nothing_happens, pointers, problem
from tests.numbers.test_reuse import bought_after_all, creates
from tests.reconciliation.test_resolver import look_again, until_unresolved
from tests.support.gateway import NUMBERS, Gateway, Tenant

DEFAULT = {
    "idempotency_required": False,
    "agents_allowed": None,
    "area_codes_allowed": None,
    "orphan_reuse": True,
    "write_off": None,
    "drift": "ask",
    "order_weight": 1,
}


async def ask(gateway: Gateway, tenant: Tenant, **changes: Any) -> httpx.Response:
    return await gateway.admin.send("PUT", f"/v1/admin/policies/{tenant.id}", json=changes)


async def put(gateway: Gateway, tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """As replicas have heard of within a second."""
    answer = await ask(gateway, tenant, **changes)
    assert answer.status_code == 200, answer.text
    await gateway.services.version.look()
    policy: dict[str, Any] = answer.json()
    return policy


async def test_a_policy_keeps_what_is_absent_and_null_is_the_default_of_each(gateway: Gateway, tenant: Tenant):
    path = f"/v1/admin/policies/{tenant.id}"
    assert (await gateway.admin.get(path)).json() == {"tenant_id": tenant.id, **DEFAULT}

    await put(
        gateway, tenant, agents_allowed=["a", "b", "a"], write_off="never", idempotency_required=True, drift="ours_wins"
    )
    told = await put(gateway, tenant, area_codes_allowed=["313"], orphan_reuse=False, order_weight=3)

    wanted = {
        "idempotency_required": True, "agents_allowed": ["a", "b"], "area_codes_allowed": ["313"],
        "orphan_reuse": False, "write_off": "never", "drift": "ours_wins", "order_weight": 3,
    }  # fmt: skip
    assert told == {"tenant_id": tenant.id, **wanted}
    assert (await gateway.admin.get(path)).json() == told
    assert await put(gateway, tenant, **dict.fromkeys(DEFAULT)) == {"tenant_id": tenant.id, **DEFAULT}
    audited = await gateway.sql("SELECT object_id, before, after FROM audit WHERE action = 'policy.put' ORDER BY id")
    assert [one[0] for one in audited] == [tenant.id] * 3
    assert audited[1][1:] == (
        {"area_codes_allowed": None, "orphan_reuse": True, "order_weight": 1},
        {"area_codes_allowed": ["313"], "orphan_reuse": False, "order_weight": 3},
    )
    assert audited[2][1:] == (wanted, DEFAULT)


async def test_policies_are_listed_by_tenant_page_by_page_to_administrators_alone(gateway: Gateway):
    tenants = sorted([await gateway.tenant() for _ in range(3)], key=lambda one: one.id)
    await put(gateway, tenants[1], write_off=5000)

    first = (await gateway.admin.get("/v1/admin/policies?limit=2")).json()
    rest = (await gateway.admin.get(f"/v1/admin/policies?limit=2&cursor={first['next_cursor']}")).json()

    assert [one["tenant_id"] for one in first["items"] + rest["items"]] == [one.id for one in tenants]
    assert (first["items"][1]["write_off"], rest["next_cursor"], rest["total"]) == (
        5000.0, None, {"value": 3, "exact": True},
    )  # fmt: skip
    for caller in (tenants[0], gateway.operator):
        problem(await caller.get("/v1/admin/policies"), 403, "scope_missing")
        problem(await caller.get(f"/v1/admin/policies/{tenants[0].id}"), 403, "scope_missing")
        answer = await caller.send("PUT", f"/v1/admin/policies/{tenants[0].id}", json={"orphan_reuse": False})
        problem(answer, 403, "scope_missing")
    problem(await gateway.admin.get("/v1/admin/policies/nobody"), 404, "not_found")
    problem(await gateway.admin.send("PUT", "/v1/admin/policies/nobody", json={}), 404, "not_found")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"idempotency_required": "yes"}, "/idempotency_required"),
    ({"agents_allowed": "agent_1"}, "/agents_allowed"),
    ({"agents_allowed": ["agent_1", ""]}, "/agents_allowed/1"),
    ({"agents_allowed": ["\u202e"]}, "/agents_allowed/0"),
    ({"agents_allowed": [str(n) for n in range(1001)]}, "/agents_allowed"),
    ({"area_codes_allowed": ["313", "800"]}, "/area_codes_allowed/1"),
    ({"area_codes_allowed": [313]}, "/area_codes_allowed/0"),
    ({"orphan_reuse": 1}, "/orphan_reuse"),
    ({"write_off": 0}, "/write_off"),
    ({"write_off": 899}, "/write_off"),
    ({"write_off": 1e300}, "/write_off"),
    ({"write_off": True}, "/write_off"),
    ({"write_off": "soon"}, "/write_off"),
    ({"drift": "mine"}, "/drift"),
    ({"order_weight": 0}, "/order_weight"),
    ({"order_weight": 101}, "/order_weight"),
    ({"order_weight": 1.5}, "/order_weight"),
    ({"order_weight": True}, "/order_weight"),
    ({"agents": []}, "/agents"),
]


async def test_a_policy_that_cannot_be_held_is_refused_naming_the_field(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for changes, pointer in WRONG:
            body = problem(await ask(gateway, tenant, **changes), 400, "invalid_request", about=str(changes)[:80])
            assert pointers(body) == {pointer}, changes


async def test_area_codes_and_agents_that_are_not_allowed_are_refused_before_anything_is_sent(
    gateway: Gateway, tenant: Tenant
):
    held = await tenant.bought("415", key="before", inbound_agent_id="agent_9")
    await put(gateway, tenant, area_codes_allowed=["734", "313"], agents_allowed=["agent_1"])

    async with nothing_happens(gateway):
        far = problem(await tenant.buy("415", key="after"), 400, "invalid_area_code")
        assert (pointers(far), far["reason"], far["suggestions"]) == ({"/area_code"}, "policy", ["313", "734"])
        stranger = problem(await tenant.buy("313", inbound_agent_id="agent_9"), 400, "invalid_request")
        assert pointers(stranger) == {"/inbound_agent_id"}
        path = f"{NUMBERS}/{held['phone_number']}/update-agent"
        linked = await tenant.send("POST", path, json={"outbound_agent_id": "agent_9", "nickname": "N"})
        assert pointers(problem(linked, 400, "invalid_request")) == {"/outbound_agent_id"}
        again = await tenant.buy("415", key="before", inbound_agent_id="agent_9")
        assert again.json() == held, "what was answered before still holds"
        await gateway.flush_redis()
    assert (await tenant.buy("415", key="before", inbound_agent_id="agent_9")).json() == held

    assert (await tenant.buy("734", key="after", outbound_agent_id="agent_1")).status_code == 200
    cleared = await tenant.send("POST", path, json={"inbound_agent_id": None, "outbound_agent_id": "agent_1"})
    assert cleared.status_code in (200, 202)


async def test_where_a_policy_requires_a_key_a_create_without_one_is_refused(gateway: Gateway, tenant: Tenant):
    await put(gateway, tenant, idempotency_required=True)

    async with nothing_happens(gateway):
        problem(await tenant.buy(), 400, "idempotency_key_required")
    assert (await tenant.buy(key="k")).status_code == 200
    await put(gateway, tenant, idempotency_required=None)
    await tenant.bought()


async def test_a_number_bought_after_all_is_had_only_where_the_policy_lets_it_be(gateway: Gateway, tenant: Tenant):
    near = await bought_after_all(gateway, tenant, "734")
    before = await creates(gateway)

    await put(gateway, tenant, orphan_reuse=False)
    assert (await tenant.bought("734"))["phone_number"] != near
    await put(gateway, tenant, orphan_reuse=True, area_codes_allowed=["313"])
    assert (await tenant.bought("313"))["phone_number"] != near, "of a neighbouring code that is not allowed"
    assert await creates(gateway) == before + 2

    await put(gateway, tenant, area_codes_allowed=None)
    assert (await tenant.bought("313"))["phone_number"] == near
    assert await creates(gateway) == before + 2


@pytest.mark.ci
async def test_a_doubt_is_written_off_when_its_tenants_policy_says(open_gateway: OpenGateway):
    async with open_gateway(upstream_timeout=0.5, settling_window=0.9) as gateway:
        tenant = await gateway.tenant()
        operation = await until_unresolved(gateway, tenant)
        await gateway.sql("UPDATE intents SET send_ended_at = send_ended_at - interval '30 days'")
        await put(gateway, tenant, write_off="never")
        await look_again(gateway)
        assert (await tenant.operation(operation))["state"] == "unresolved"

        await put(gateway, tenant, write_off=40 * 86_400)
        await look_again(gateway)
        assert (await tenant.operation(operation))["state"] == "unresolved"
        await put(gateway, tenant, write_off=20 * 86_400)
        await look_again(gateway)
        assert (await tenant.operation(operation))["state"] == "failed"
