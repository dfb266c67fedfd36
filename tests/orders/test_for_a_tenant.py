"""An administrator orders for a tenant: with what the tenant may do, and in the administrator's own name."""

from asyncio import gather
from typing import Any

import httpx
import pytest

from tests.http.refusals import problem
from tests.numbers.ledger import use_marks
from tests.orders.desk import buy, items, order, quotas_are_exact, wanted
from tests.support.gateway import AUTHOR, Gateway, Tenant

pytestmark = pytest.mark.usefixtures("patient_sends")


@pytest.fixture(autouse=True)
async def marks(gateway: Gateway) -> None:
    await use_marks(gateway)


async def orders(
    gateway: Gateway, tenant: Tenant, quantity: int = 2, *, key: str | None = None, **more: Any
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = wanted(quantity, tenant_id=tenant.id, **more)
    return await gateway.admin.send("POST", "/v1/orders", json=body, headers=headers)


async def test_the_order_and_its_numbers_are_the_tenants_and_its_author_is_the_administrator(
    gateway: Gateway, tenant: Tenant
):
    answer = await orders(gateway, tenant, 2, tags=["desk"])
    assert answer.status_code == 202, answer.text
    await buy(gateway)

    told = await order(tenant, answer.json()["order_id"])
    assert (told["state"], told["tenant_id"], told["counts"]) == ("completed", tenant.id, {"done": 2})
    assert len(await items(tenant, told["order_id"])) == 2
    listed = (await tenant.get("/v1/numbers")).json()["items"]
    assert {(one["tenant_id"], *one["tags"]) for one in listed} == {(tenant.id, "desk")}
    [(administrator,)] = await gateway.sql("SELECT 'key:' || id FROM api_keys WHERE kind = 'admin'")
    noted = await gateway.sql("SELECT actor, tenant_id FROM audit WHERE action IN ('order.placed', 'intent.owned')")
    assert set(noted) == {(administrator, tenant.id)}
    await quotas_are_exact(gateway)


async def test_it_is_held_to_the_tenants_quota(gateway: Gateway):
    tenant = await gateway.tenant(quota=3)

    quote = (await orders(gateway, tenant, 4, dry_run=True)).json()
    assert (quote["allowed"], quote["limits"][0]["limit"]) == (False, 3)
    problem(await orders(gateway, tenant, 4), 429, "quota_exceeded")
    assert (await orders(gateway, tenant, 3)).status_code == 202
    await buy(gateway)
    await quotas_are_exact(gateway)


async def test_it_is_held_to_the_tenants_policy_and_grants(gateway: Gateway, tenant: Tenant):
    policy = {"area_codes_allowed": ["248"]}
    assert (await gateway.admin.send("PUT", f"/v1/admin/policies/{tenant.id}", json=policy)).status_code == 200

    refused = problem(await orders(gateway, tenant), 400, "invalid_area_code")
    assert refused["errors"][0]["pointer"] == "/area_codes/0"
    problem(
        await orders(gateway, tenant, organization_id="of-others", area_codes=["248"]), 403, "not_your_organization"
    )


async def test_whoever_administers_must_name_a_tenant_that_there_is(gateway: Gateway, tenant: Tenant):
    nobody = await gateway.admin.send("POST", "/v1/orders", json=wanted())
    assert "name one in tenant_id" in problem(nobody, 403, "not_your_tenant")["detail"]
    unknown = await gateway.admin.send("POST", "/v1/orders", json=wanted(tenant_id="nobody"))
    assert "no tenant" in problem(unknown, 403, "not_your_tenant")["detail"]


async def test_a_tenant_may_name_itself_and_nobody_else(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()

    own = await tenant.send("POST", "/v1/orders", json=wanted(tenant_id=tenant.id))
    others = await tenant.send("POST", "/v1/orders", json=wanted(tenant_id=other.id))
    nobodys = await tenant.send("POST", "/v1/orders", json=wanted(tenant_id="nobody"))

    assert own.status_code == 202, own.text
    assert problem(others, 403, "not_your_tenant")["detail"] == problem(nobodys, 403, "not_your_tenant")["detail"]


async def another_administrator(gateway: Gateway) -> Tenant:
    issued = await gateway.services.administration.issue_staff_key(AUTHOR, "admin", "another")
    return Tenant(gateway.http, "", issued.key)


async def test_two_administrators_who_send_one_request_order_once(gateway: Gateway, tenant: Tenant):
    body, headers = wanted(2, tenant_id=tenant.id), {"Idempotency-Key": "k"}
    colleague = await another_administrator(gateway)

    answers = await gather(
        *(one.send("POST", "/v1/orders", json=body, headers=headers) for one in (gateway.admin, colleague) * 3)
    )

    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["order_id"] for one in answers}) == 1
    assert sum("Idempotent-Replayed" in one.headers for one in answers) == 5
    await buy(gateway)
    assert len(await gateway.teli.purchases()) == 2
    await quotas_are_exact(gateway)


async def test_a_key_is_the_tenants_that_is_ordered_for_whoever_sends_it(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    first = (await orders(gateway, tenant, key="k")).json()["order_id"]
    headers = {"Idempotency-Key": "k"}

    by_itself = await tenant.send("POST", "/v1/orders", json=wanted(2, tenant_id=tenant.id), headers=headers)
    another_body = await tenant.send("POST", "/v1/orders", json=wanted(2), headers=headers)
    for_another = await orders(gateway, other, key="k")
    by_another = await other.send("POST", "/v1/orders", json=wanted(2, tenant_id=tenant.id), headers=headers)

    assert (by_itself.json()["order_id"], by_itself.headers["Idempotent-Replayed"]) == (first, "true")
    problem(another_body, 422, "idempotency_key_reused")
    assert for_another.json()["order_id"] != first
    problem(by_another, 403, "not_your_tenant")
    listed = (await gateway.admin.get("/v1/admin/idempotency-keys?key=k")).json()["items"]
    assert {(one["tenant_id"], one["actor"]) for one in listed} == {(tenant.id, None), (other.id, None)}
    await buy(gateway)
    assert len(await gateway.teli.purchases()) == 4


async def test_a_user_who_is_not_filed_is_looked_up_for_an_administrator_too(gateway: Gateway, tenant: Tenant):
    answer = await orders(gateway, tenant, user_id="not-a-user")

    said = problem(answer, 400, "invalid_request")
    assert said["errors"][0]["pointer"] == "/user_id"
    assert await gateway.sql("SELECT 1 FROM orders") == []


async def test_a_user_of_another_organisation_is_none_of_this_one(gateway: Gateway, tenant: Tenant):
    await gateway.admin.send("PUT", "/v1/admin/organizations/of-others", json={"name": "Others"})
    await gateway.admin.send(
        "PUT", "/v1/admin/organizations/of-others/users/theirs", json={"name": "Theirs", "email": "x@example.com"}
    )

    said = problem(await orders(gateway, tenant, user_id="theirs"), 400, "invalid_request")

    assert said["errors"][0]["pointer"] == "/user_id"
