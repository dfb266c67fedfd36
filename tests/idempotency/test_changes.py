"""The same key, the same answer, also of a change and of a release."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.conftest import OpenGateway
from tests.http.refusals import nothing_happens, pointers, problem
from tests.idempotency.replays import same
from tests.support.gateway import Gateway, Tenant

NUMBERS = "/v1/voice/phone-numbers"


async def release(
    tenant: Tenant, number: str, key: str | None, prefer: str = "wait=60", **query: str
) -> httpx.Response:
    headers = {"Prefer": prefer} | ({} if key is None else {"Idempotency-Key": key})
    return await tenant.send("DELETE", f"{NUMBERS}/{number}", params=query, headers=headers)


async def rename(tenant: Tenant, number: str, key: str | None, nickname: str, **fields: Any) -> httpx.Response:
    headers = {"Prefer": "wait=60"} | ({} if key is None else {"Idempotency-Key": key})
    body = {"nickname": nickname, **fields}
    return await tenant.send("POST", f"{NUMBERS}/{number}/update-agent", json=body, headers=headers)


async def nickname(tenant: Tenant, number: str) -> str | None:
    found: str | None = (await tenant.get(f"/v1/numbers/{number}")).json()["nickname"]
    return found


async def steps(gateway: Gateway, kind: str) -> int:
    [(count,)] = await gateway.sql("SELECT count(*) FROM steps WHERE kind = :kind", kind=kind)
    return int(count)


async def test_a_late_retry_of_a_change_undoes_nothing_that_was_changed_since(gateway: Gateway, tenant: Tenant):
    number = (await tenant.bought())["phone_number"]
    first = await rename(tenant, number, "k", "old", x_unknown=1)
    await rename(tenant, number, "l", "new")

    again = await rename(tenant, number, "k", "old", x_unknown=1)

    assert first.status_code == 200
    assert "idempotent-replayed" not in first.headers
    assert same(again, first)
    assert again.json()["warnings"]
    assert await nickname(tenant, number) == "new"
    assert await steps(gateway, "push") == 2


async def test_without_a_key_a_change_is_made_each_time(gateway: Gateway, tenant: Tenant):
    number = (await tenant.bought())["phone_number"]
    await rename(tenant, number, None, "old")
    await rename(tenant, number, None, "new")
    await rename(tenant, number, None, "old")

    assert await nickname(tenant, number) == "old"
    assert await gateway.sql("SELECT count(*) FROM idempotency_keys") == [(0,)]


async def test_a_late_retry_of_a_release_does_not_release_the_number_bought_again(gateway: Gateway, tenant: Tenant):
    bought = await tenant.bought()
    number = bought["phone_number"]
    first = await release(tenant, number, "k")
    await gateway.sql(
        "UPDATE numbers SET acquired_at = acquired_at - interval '30 days',"
        " released_at = released_at - interval '20 days'"
    )
    again_held = await hold_again(gateway, bought)

    assert first.json()["billing_stopped"] is True
    assert same(await release(tenant, number, "k"), first)
    assert (await tenant.get(f"/v1/numbers/{again_held}")).json()["state"] == "active"
    assert await steps(gateway, "release") == 1


async def hold_again(gateway: Gateway, bought: dict[str, Any]) -> str:
    """The number is the tenant's again, as a carrier that recycles it would have it."""
    [(held,)] = await gateway.sql(
        "INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,"
        " state, mark, marked, acquired_at) SELECT gen_random_uuid(), tenant_id, account_id, organization_id, user_id,"
        " phone_number, pretty, area_code, 'active', '', false, clock_timestamp() FROM numbers WHERE id = :id"
        " RETURNING id::text",
        id=bought["id"],
    )
    return str(held)


async def test_that_a_number_was_released_before_is_an_answer_of_its_own_and_is_replayed(
    gateway: Gateway, tenant: Tenant
):
    number = (await tenant.bought())["phone_number"]
    await release(tenant, number, None)

    first = await release(tenant, number, "k")

    assert first.json()["already_released"] is True
    assert same(await release(tenant, number, "k"), first)


async def test_another_request_under_the_key_is_refused_before_anything_else(gateway: Gateway, tenant: Tenant):
    bought = await tenant.bought()
    number = bought["phone_number"]
    await rename(tenant, number, "k", "one")
    await release(tenant, number, "k")

    async with nothing_happens(gateway):
        problem(await rename(tenant, number, "k", "two"), 422, "idempotency_key_reused")
        problem(await release(tenant, number, "k", id=bought["id"]), 422, "idempotency_key_reused")
        # It was the key's, whatever the number is by now.
        assert (await rename(tenant, number, "k", "one")).headers["idempotent-replayed"] == "true"


async def test_a_key_is_another_on_another_path_and_for_another_tenant(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    numbers = [(await tenant.bought())["phone_number"] for _ in range(2)]
    of_other = (await other.bought())["phone_number"]

    answers = [
        await rename(tenant, numbers[0], "k", "a"),
        await rename(tenant, numbers[1], "k", "b"),
        await rename(other, of_other, "k", "c"),
        await release(tenant, numbers[0], "k"),
    ]
    problem(await rename(other, numbers[0], "k", "a"), 404, "not_found")

    assert [answer.status_code for answer in answers] == [200] * 4
    assert not any("idempotent-replayed" in answer.headers for answer in answers)


async def test_a_refusal_leaves_no_key_behind(gateway: Gateway, tenant: Tenant):
    problem(await release(tenant, "+13135550142", "k"), 404, "not_found")
    number = (await tenant.bought())["phone_number"]

    await gateway.sql("UPDATE numbers SET state = 'releasing'")
    problem(await rename(tenant, number, "k", "a"), 409, "state_conflict")
    await gateway.sql("UPDATE numbers SET state = 'active'")

    assert await gateway.sql("SELECT count(*) FROM idempotency_keys") == [(0,)]
    assert "idempotent-replayed" not in (await rename(tenant, number, "k", "b")).headers


async def test_what_teli_refused_is_replayed_and_not_tried_again(gateway: Gateway, tenant: Tenant):
    number = (await tenant.bought())["phone_number"]
    await gateway.follow_up()
    await gateway.teli.switch(agent_ids="known")
    first = await rename(tenant, number, "k", "a", inbound_agent_id="agent_nobody_knows")
    before = len(await gateway.teli.requests())

    again = await rename(tenant, number, "k", "a", inbound_agent_id="agent_nobody_knows")

    problem(first, 502, "upstream_refused")
    assert same(again, first)
    assert len(await gateway.teli.requests()) == before


@pytest.mark.parametrize("what", ["release", "rename"])
async def test_twenty_at_once_on_two_replicas_change_it_once(open_gateway: OpenGateway, what: str):
    async with open_gateway() as gateway, open_gateway() as elsewhere:
        tenant = await gateway.tenant()
        there = Tenant(elsewhere.http, tenant.id, tenant.key)
        number = (await tenant.bought())["phone_number"]

        answers = await asyncio.gather(
            *(
                release(one, number, "k") if what == "release" else rename(one, number, "k", "a")
                for one in (tenant, there)
                for _ in range(10)
            )
        )

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19
        assert await steps(gateway, "release" if what == "release" else "push") == 1


async def test_a_repeat_of_a_release_of_unknown_outcome_gets_its_operation_and_then_its_answer(
    gateway: Gateway, tenant: Tenant
):
    number = (await tenant.bought())["phone_number"]
    await gateway.follow_up()
    await gateway.teli.hold("received", operation="release")
    first = asyncio.create_task(release(tenant, number, "k"))
    await gateway.teli.until_held()

    hasty = await release(tenant, number, "k", prefer="wait=0")
    patient = asyncio.create_task(release(tenant, number, "k"))
    await gateway.teli.release_holds()

    assert (hasty.status_code, "idempotent-replayed" in hasty.headers) == (202, False)
    assert hasty.json()["operation_id"] == (await first).json()["operation_id"]
    assert same(await patient, await first)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é".encode().decode("latin-1")])
async def test_a_key_that_is_none_is_refused_and_named_on_every_path(gateway: Gateway, tenant: Tenant, key: str):
    number = (await tenant.bought())["phone_number"]
    header: Any = {"Idempotency-Key": key.encode("latin-1")}
    async with nothing_happens(gateway):
        for sender, method, path, body in (
            (tenant, "DELETE", f"{NUMBERS}/{number}", None),
            (tenant, "POST", f"{NUMBERS}/{number}/update-agent", {"nickname": "a"}),
            (gateway.admin, "POST", "/v1/admin/stop", {"scope": "global", "reason": "r"}),
            (gateway.admin, "POST", f"/v1/admin/tenants/{tenant.id}/keys", {"name": "n", "scopes": ["numbers:read"]}),
        ):
            answer = await sender.send(method, path, json=body, headers=header)
            assert pointers(problem(answer, 400, "invalid_request", about=path)) == {"Idempotency-Key"}
