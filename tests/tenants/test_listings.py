"""What administrators list: organisations, users, tenants and keys; and what becomes of a tenant by its state."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from service.kit.clock import utc_now
from tests.http.refusals import nothing_happens, problem
from tests.support.gateway import ORGANIZATION, USER, Gateway, Tenant


async def listed(gateway: Gateway, path: str, **params: Any) -> list[dict[str, Any]]:
    """Every item, in pages of two; no item is on two of them."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        asked = {"limit": 2, **params} | ({"cursor": cursor} if cursor else {})
        answer = await gateway.admin.get(f"/v1/admin/{path}", params=asked)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            assert page["total"] == {"value": len(items), "exact": True}
            assert len({item["id"] for item in items}) == len(items)
            return items


async def put(gateway: Gateway, tenant: Tenant, **changes: Any) -> Any:
    return await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}", json=changes)


async def test_organizations_users_and_tenants_are_listed_by_id(gateway: Gateway):
    for number in range(3):
        await gateway.admin.send("PUT", f"/v1/admin/organizations/z{number}", json={"name": f"Office {number}"})
        await gateway.tenant(organization_ids=[ORGANIZATION, "z0"])
    for number in range(3):
        await gateway.admin.send("PUT", f"/v1/admin/organizations/z1/users/u{number}", json={"exclusive": number == 1})

    assert [one["id"] for one in await listed(gateway, "organizations")][-3:] == ["z0", "z1", "z2"]
    users = await listed(gateway, "organizations/z1/users")
    assert [(one["id"], one["exclusive"]) for one in users] == [("u0", False), ("u1", True), ("u2", False)]
    problem(await gateway.admin.get("/v1/admin/organizations/nowhere/users"), 404, "not_found")
    assert (await gateway.admin.get("/v1/admin/organizations/z1/users/u1")).json() == users[1]
    problem(await gateway.admin.get("/v1/admin/organizations/z1/users/u9"), 404, "not_found")
    organization = {"id": "z1", "name": "Office 1", "account_id": None}
    assert (await gateway.admin.get("/v1/admin/organizations/z1")).json() == organization
    problem(await gateway.admin.get("/v1/admin/organizations/z9"), 404, "not_found")
    tenants = await listed(gateway, "tenants")
    assert [one["id"] for one in tenants] == sorted(one["id"] for one in tenants)
    assert {(tuple(one["organization_ids"]), one["state"]) for one in tenants} == {
        (tuple(sorted([ORGANIZATION, "z0"])), "active")
    }
    alone = await gateway.admin.get(f"/v1/admin/tenants/{tenants[0]['id']}")
    assert alone.json() == tenants[0] | {"numbers_held": 0}
    problem(await gateway.admin.get("/v1/admin/tenants/nobody"), 404, "not_found")


async def test_a_put_tells_whether_it_made_something(gateway: Gateway):
    for path, body in (
        ("organizations/new", {}), ("organizations/new/users/u", {}),
        ("tenants/new", {"name": "New", "organization_ids": ["new"]}),
    ):  # fmt: skip
        answers = [await gateway.admin.send("PUT", f"/v1/admin/{path}", json=body) for _ in range(2)]
        assert [(one.status_code, one.json()["created"]) for one in answers] == [(200, True), (200, False)], path


async def test_all_that_is_wrong_with_a_tenant_is_told_at_once(gateway: Gateway, tenant: Tenant):
    path = f"/v1/admin/tenants/{tenant.id}"
    async with nothing_happens(gateway):
        unknown = {"organization_ids": ["nowhere", "neither"], "account_id": str(uuid4())}
        told = problem(await gateway.admin.send("PUT", path, json=unknown), 400, "invalid_request")
        assert [one["pointer"] for one in told["errors"]] == ["/organization_ids", "/organization_ids", "/account_id"]
        nulls = {"name": None, "organization_ids": None, "state": None, "account_id": None}
        told = problem(await gateway.admin.send("PUT", path, json=nulls), 400, "invalid_request")
        assert {(one["pointer"], one["detail"]) for one in told["errors"]} == {
            (f"/{name}", "must not be null; leave it out to keep it as it is") for name in nulls
        }


async def test_an_organisation_may_lose_its_name_and_keeps_it_where_none_is_said(gateway: Gateway):
    path = "/v1/admin/organizations/z"
    told = [await gateway.admin.send("PUT", path, json=body) for body in ({"name": "Z"}, {}, {"name": None})]
    assert [one.json()["name"] for one in told] == ["Z", "Z", None]


async def test_a_filter_by_a_tenant_that_there_is_not_is_refused_and_no_empty_page(gateway: Gateway):
    for path in ("/v1/admin/keys", "/v1/admin/audit"):
        answer = await gateway.admin.get(path, params={"tenant_id": "nobody"})
        [fault] = problem(answer, 400, "invalid_request", about=path)["errors"]
        assert fault == {"pointer": "tenant_id", "detail": "there is no such tenant"}


async def test_a_tenant_whose_id_was_mistyped_is_not_made_by_its_state(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for changes in ({"state": "suspended"}, {"state": "active"}, {"organization_ids": [ORGANIZATION]}, {}):
            answer = await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}x", json=changes)
            assert "give it a name" in problem(answer, 404, "not_found", about=str(changes))["detail"]
    assert [one["id"] for one in await listed(gateway, "tenants")] == [tenant.id]


async def test_keys_are_listed_newest_first_with_what_became_of_them(gateway: Gateway, tenant: Tenant):
    async def issue(name: str, **more: Any) -> dict[str, Any]:
        body = {"name": name, "scopes": ["numbers:read"], **more}
        answer = await gateway.admin.send("POST", f"/v1/admin/tenants/{tenant.id}/keys", json=body)
        issued: dict[str, Any] = answer.json()
        return issued

    old = await issue("old")
    new = (await gateway.admin.send("POST", f"/v1/admin/keys/{old['id']}/rotate", json={"overlap_seconds": 0})).json()
    gone = await issue("gone", expires_at=(utc_now() + timedelta(days=1)).isoformat())
    await gateway.admin.send("DELETE", f"/v1/admin/keys/{gone['id']}")

    keys = await listed(gateway, "keys", tenant_id=tenant.id)

    assert [(one["id"], one["state"]) for one in keys[:3]] == [
        (gone["id"], "revoked"), (new["id"], "good"), (old["id"], "expired"),
    ]  # fmt: skip
    assert keys[2]["rotated_to"] == new["id"]
    assert keys[1]["hint"] == new["key"][-4:]
    assert new["key"] not in str(keys)
    good = await listed(gateway, "keys", tenant_id=tenant.id, state="good")
    assert [one["id"] for one in good] == [one["id"] for one in keys if one["state"] == "good"]
    assert {one["tenant_id"] for one in await listed(gateway, "keys", kind="admin")} == {None}


async def test_a_key_that_was_rotated_is_not_rotated_again(gateway: Gateway, tenant: Tenant):
    [key] = await listed(gateway, "keys", tenant_id=tenant.id)
    path = f"/v1/admin/keys/{key['id']}/rotate"
    first = (await gateway.admin.send("POST", path, json={})).json()

    again = await gateway.admin.send("POST", path, json={})
    problem(again, 409, "state_conflict")
    assert again.json()["rotated_to"] == first["id"]

    third = await gateway.admin.send("POST", f"/v1/admin/keys/{first['id']}/rotate", json={})
    assert (third.status_code, third.json()["expires_at"]) == (201, None), "of the overlap nothing is inherited"


@pytest.mark.parametrize("path", ["organizations", "organizations/o/users", "tenants", "tenants/t", "keys"])
async def test_only_administrators_list_them(gateway: Gateway, tenant: Tenant, path: str):
    for caller in (tenant, gateway.operator):
        problem(await caller.get(f"/v1/admin/{path}"), 403, "scope_missing")


async def test_a_suspended_tenant_buys_nothing_new_and_keeps_all_else(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(key="k1")

    assert (await put(gateway, tenant, state="suspended")).json()["state"] == "suspended"
    await gateway.services.version.look()

    refused = await tenant.buy(key="k2")
    told = problem(refused, 503, "purchases_stopped")
    assert (told["suspended"], "This tenant is suspended" in told["detail"]) == (True, True), told
    assert (await gateway.teli.counts())["creates"] == 1
    assert (await tenant.buy(key="k1")).json()["id"] == number["id"], "a replay is no purchase"
    assert (await tenant.get("/v1/numbers")).status_code == 200
    assert (await put(gateway, tenant, name="Renamed")).json()["state"] == "suspended", "what is absent stays as it is"
    await put(gateway, tenant, state="active")
    assert (await tenant.buy(key="k2")).status_code == 200


async def test_a_closed_tenant_has_no_keys_and_its_numbers_stay_in_sight_of_administrators(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()

    assert (await put(gateway, tenant, state="closed", confirm_numbers_held=1)).status_code == 200
    await gateway.services.version.look()

    problem(await tenant.get("/v1/numbers"), 401, "invalid_key")
    inventory = await gateway.admin.get("/v1/numbers", params={"organization_id": ORGANIZATION, "user_id": USER})
    assert [one["id"] for one in inventory.json()["items"]] == [number["id"]]
    problem(await put(gateway, tenant, state="active"), 409, "state_conflict")
    assert (await put(gateway, tenant, state="closed")).status_code == 200
    [(audited,)] = await gateway.sql(
        "SELECT count(*) FROM audit WHERE action = 'tenant.put' AND after->>'state' = 'closed'"
    )
    assert audited == 2


async def test_organisations_users_and_tenants_are_found_by_letters_of_an_id_or_a_name(gateway: Gateway):
    put = gateway.admin.send
    await put("PUT", "/v1/admin/organizations/searched-1", json={"name": "50% Off_Ltd"})
    await put("PUT", "/v1/admin/organizations/searched-1/users/u-9", json={"name": "Zoë", "email": "zoe@example.com"})
    await put("PUT", "/v1/admin/tenants/searched-2", json={"name": "Night Shift"})

    async def found(path: str, q: str) -> list[str]:
        answer = await gateway.admin.get(path, params={"q": q})
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    assert await found("/v1/admin/organizations", "off_l") == ["searched-1"]
    assert await found("/v1/admin/organizations", "0%  off") == []
    assert await found("/v1/admin/organizations/searched-1/users", "ZOE@") == ["u-9"]
    assert await found("/v1/admin/tenants", "ht shi") == ["searched-2"]
    assert await found("/v1/admin/tenants", "searched") == ["searched-2"]
    problem(await gateway.admin.get("/v1/admin/tenants", params={"q": ""}), 400, "invalid_request")
    problem(await gateway.admin.get("/v1/admin/tenants", params={"q": "a\nb"}), 400, "invalid_request")
