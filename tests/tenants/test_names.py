"""Ids have names, for those who may see whom they are of."""

from typing import Any

import pytest

from service.tenants.administration import KeyLimits
from tests.http.refusals import problem
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant


async def names(who: Tenant, **asked: str) -> dict[str, Any]:
    answer = await who.get("/v1/names", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_whoever_sees_all_is_told_the_names_of_all_and_of_a_user_without_one_the_email(
    gateway: Gateway, tenant: Tenant
):
    administration = gateway.services.administration
    await administration.put_user(AUTHOR, ORGANIZATION, "nameless", {"email": "someone@example.com"})
    finance = await administration.issue_staff_key(AUTHOR, "finance", "test")
    asked = {
        "tenant_id": f"{tenant.id},nobody", "organization_id": f"{ORGANIZATION},nowhere", "user_id": f"{USER},nameless",
    }  # fmt: skip

    for who in (gateway.admin, gateway.operator, Tenant(gateway.http, "", finance.key)):
        assert await names(who, **asked) == {
            "tenants": {tenant.id: "Test"},
            "organizations": {ORGANIZATION: "Test organisation"},
            "users": {USER: "Test user", "nameless": "someone@example.com"},
        }
    assert await names(gateway.admin) == {"tenants": {}, "organizations": {}, "users": {}}


async def test_a_tenant_is_told_its_own_name_those_of_its_organisations_and_of_their_users_and_no_email(
    gateway: Gateway, tenant: Tenant
):
    administration = gateway.services.administration
    await administration.put_organization(AUTHOR, "elsewhere", "Elsewhere")
    await administration.put_user(AUTHOR, "elsewhere", "theirs", {"name": "Theirs"})
    await administration.put_user(AUTHOR, ORGANIZATION, "nameless", {"email": "someone@example.com"})
    other = await gateway.tenant(organization_ids=["elsewhere"])
    asked = {
        "tenant_id": f"{tenant.id},{other.id}", "organization_id": f"{ORGANIZATION},elsewhere",
        "user_id": f"{USER},theirs,nameless",
    }  # fmt: skip

    assert await names(tenant, **asked) == {
        "tenants": {tenant.id: "Test"}, "organizations": {ORGANIZATION: "Test organisation"},
        "users": {USER: "Test user"},
    }  # fmt: skip
    assert await names(other, **asked) == {
        "tenants": {other.id: "Test"}, "organizations": {"elsewhere": "Elsewhere"}, "users": {"theirs": "Theirs"},
    }  # fmt: skip
    limited = await gateway.key_of(tenant, limits=KeyLimits(user_ids=("nameless",)))
    assert (await names(limited, **asked))["users"] == {}


@pytest.mark.parametrize("ids", [",".join(["a"] * 101), "a\nb"])
async def test_more_ids_than_a_hundred_and_what_is_none_are_refused(gateway: Gateway, ids: str):
    answer = await gateway.admin.get("/v1/names", params={"tenant_id": ids})

    assert problem(answer, 400, "invalid_request")["errors"][0]["pointer"] == "tenant_id"
