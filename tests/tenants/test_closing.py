"""What is left of a tenant that was closed, and what a suspended one can still do."""

import asyncio
from typing import Any

from tests.http.refusals import nothing_happens, pointers, problem
from tests.reconciliation.test_resolver import look_again
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant


async def put(gateway: Gateway, tenant: Tenant, **changes: Any) -> None:
    answer = await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json=changes)
    assert answer.status_code == 200, answer.text


async def close(gateway: Gateway, tenant: Tenant) -> None:
    held = (await gateway.admin.get(f"/v1/admin/tenants/{tenant.id}")).json()["numbers_held"]
    await put(gateway, tenant, state="closed", confirm_numbers_held=held)
    await gateway.services.version.look()


async def test_a_purchase_in_doubt_when_its_tenant_is_closed_is_resolved_and_its_number_kept(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.arm("server_error", operation="create", step="recorded")
    doubt = await tenant.buy(key="k", prefer="wait=0")
    assert doubt.status_code == 202
    await close(gateway, tenant)

    assert [one["tenant_id"] for one in (await gateway.operator.get("/v1/admin/doubts")).json()["items"]] == [tenant.id]
    await look_again(gateway)
    await gateway.follow_up()

    page = (await gateway.admin.get("/v1/numbers", params={"tenant_id": tenant.id})).json()
    assert [one["state"] for one in page["items"]] == ["active"]
    whole = await gateway.admin.get(f"{NUMBERS}?user_id={USER}&organization_id={ORGANIZATION}&is_admin=true")
    assert [one["phone_number"] for one in whole.json()["phone_numbers"]] == [page["items"][0]["phone_number"]]
    assert (await gateway.admin.get("/v1/admin/doubts")).json()["items"] == []


async def test_a_key_of_a_closed_tenant_opens_nothing_a_replay_neither_and_no_other_is_issued(
    gateway: Gateway, tenant: Tenant
):
    held = await tenant.bought(key="k")
    [[key]] = await gateway.sql("SELECT id::text FROM api_keys WHERE tenant_id = :id", id=tenant.id)
    await close(gateway, tenant)

    async with nothing_happens(gateway):
        problem(await tenant.buy(key="k"), 401, "invalid_key")
        problem(await tenant.buy(key="new"), 401, "invalid_key")
        problem(await tenant.get(f"/v1/operations/{held['operation_id']}"), 401, "invalid_key")
        problem(await tenant.send("DELETE", f"{NUMBERS}/{held['phone_number']}"), 401, "invalid_key")
        issue = {"name": "another", "scopes": ["numbers:read"]}
        answer = await gateway.admin.send("POST", f"/v1/admin/tenants/{tenant.id}/keys", json=issue)
        problem(answer, 409, "state_conflict")
        problem(await gateway.admin.send("POST", f"/v1/admin/keys/{key}/rotate", json={}), 409, "state_conflict")
    assert (await gateway.admin.send("DELETE", f"/v1/admin/keys/{key}")).status_code == 204


async def test_a_tenant_that_holds_numbers_is_closed_by_whoever_says_how_many(gateway: Gateway, tenant: Tenant):
    path = f"/v1/admin/tenants/{tenant.id}"
    await tenant.bought()
    await tenant.bought()
    assert (await gateway.admin.get(path)).json()["numbers_held"] == 2

    for confirmed in ({}, {"confirm_numbers_held": 1}, {"confirm_numbers_held": None}):
        answer = await gateway.admin.send("PUT", path, json={"state": "closed", **confirmed})
        told = problem(answer, 409, "state_conflict", about=str(confirmed))
        assert (told["numbers_held"], "confirm_numbers_held: 2" in told["detail"]) == (2, True)
    assert (await tenant.get("/v1/numbers")).status_code == 200

    closed = await gateway.admin.send("PUT", path, json={"state": "closed", "confirm_numbers_held": 2})
    assert (closed.status_code, closed.json()["numbers_held"]) == (200, 2)
    again = await gateway.admin.send("PUT", path, json={"state": "closed", "name": "Gone"})
    assert again.status_code == 200, "it is closed already"


async def test_an_orphan_is_not_given_to_a_closed_tenant_and_can_be_released_for_it(gateway: Gateway, tenant: Tenant):
    await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    await gateway.look_everywhere()
    [orphan] = (await gateway.operator.get("/v1/admin/orphans")).json()["items"]
    await close(gateway, tenant)
    body = {"tenant_id": tenant.id, "user_id": USER, "reason": "a test"}
    path = f"/v1/admin/orphans/{orphan['id']}/resolve"

    async with nothing_happens(gateway):
        answer = await gateway.operator.send("POST", path, json=body | {"decision": "adopt"})
        assert pointers(problem(answer, 400, "invalid_request")) == {"/tenant_id"}
    assert (await gateway.operator.send("POST", path, json=body | {"decision": "release"})).status_code == 200


async def test_a_suspended_tenant_whose_user_is_not_filed_yet_buys_nothing_and_asks_teli_nothing(
    gateway: Gateway, tenant: Tenant
):
    await put(gateway, tenant, state="suspended")

    async with nothing_happens(gateway):
        problem(await tenant.buy(user_id="somebody"), 503, "purchases_stopped")


async def test_a_grant_names_organisations_and_no_tenant_be_it_the_same(gateway: Gateway, tenant: Tenant):
    other, path = await gateway.tenant(), f"/v1/admin/tenants/{tenant.id}"

    async with nothing_happens(gateway):
        for named in (tenant.id, other.id):
            body = {"organization_ids": [ORGANIZATION, named], "name": "Never"}
            answer = await gateway.admin.send("PUT", path, json=body)
            [fault] = problem(answer, 400, "invalid_request")["errors"]
            assert fault["detail"] == f"{named} is a tenant: grants name organisations"
    told = (await gateway.admin.get(path)).json()
    assert (told["name"], told["organization_ids"]) == ("Test", [ORGANIZATION])


async def test_what_is_put_by_several_at_once_is_made_once(gateway: Gateway):
    async def at_once(path: str, **body: Any) -> list[bool]:
        answers = await asyncio.gather(*(gateway.admin.send("PUT", path, json=body) for _ in range(6)))
        assert {one.status_code for one in answers} == {200}, [one.text for one in answers]
        return sorted(one.json()["created"] for one in answers)

    for path, body in (
        ("/v1/admin/organizations/org-new", {"name": "New"}),
        ("/v1/admin/organizations/org-new/users/user-new", {"name": "New"}),
        ("/v1/admin/tenants/tenant-new", {"name": "New", "organization_ids": ["org-new"]}),
    ):
        assert await at_once(path, **body) == [False] * 5 + [True]
