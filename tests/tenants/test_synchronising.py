"""Organisations and users taken over from Teli, on demand."""

from itertools import product
from typing import Any

from tests.http.refusals import nothing_happens, problem
from tests.support.gateway import ORGANIZATION, TELI_TENANT, USER, Gateway, Tenant

USERS = f"/v1/admin/organizations/{ORGANIZATION}/users/sync"
ORGANIZATIONS = "/v1/admin/organizations/sync"


async def synced(gateway: Gateway, path: str, **headers: str) -> dict[str, Any]:
    answer = await gateway.admin.send("POST", path, headers=headers)
    assert answer.status_code == 200, answer.text
    counts: dict[str, Any] = answer.json()
    return counts


async def test_users_that_teli_names_are_filed_and_nobody_is_deleted_or_made_exclusive(gateway: Gateway):
    put = f"/v1/admin/organizations/{ORGANIZATION}/users/"
    await gateway.admin.send("PUT", f"{put}gone", json={"name": "Gone", "exclusive": True})
    await gateway.admin.send("PUT", f"{put}{USER}", json={"name": "Our name", "exclusive": True})
    await gateway.teli.user(ORGANIZATION, unique_id="u1", name="Ann", email="ann@example.com")
    await gateway.teli.user(ORGANIZATION, unique_id="with a space", name="Bob")

    assert await synced(gateway, USERS) == {"added": 1, "changed": 1, "unchanged": 0, "not_at_teli": 1}

    listed = (await gateway.admin.get(f"/v1/admin/organizations/{ORGANIZATION}/users")).json()["items"]
    users = {one["id"]: (one["name"], one["email"], one["exclusive"]) for one in listed}
    [teli] = [one for one in listed if one["id"] == USER]
    assert users == {
        "gone": ("Gone", None, True),
        "u1": ("Ann", "ann@example.com", False),
        USER: (teli["name"], teli["email"], True),
    }
    assert teli["name"] != "Our name"
    [(before, after)] = await gateway.sql("SELECT before, after FROM audit WHERE action = 'users.synced'")
    assert (before.keys(), before[USER]["name"], after.keys()) == ({USER}, "Our name", {USER, "u1"})
    assert await synced(gateway, USERS) == {"added": 0, "changed": 0, "unchanged": 2, "not_at_teli": 1}
    await gateway.admin.send("PUT", "/v1/admin/organizations/here", json={})
    await gateway.admin.send("PUT", "/v1/admin/organizations/here/users/ours", json={})
    nowhere = await synced(gateway, "/v1/admin/organizations/here/users/sync")
    assert nowhere == {"added": 0, "changed": 0, "unchanged": 0, "not_at_teli": 1}
    assert await gateway.sql("SELECT count(*) FROM audit WHERE action = 'users.synced'") == [(1,)]


async def test_organizations_that_teli_names_are_filed_and_granted_to_nobody(gateway: Gateway, tenant: Tenant):
    named = await gateway.teli.organization(TELI_TENANT, name="Only at Teli", contact_email="a@example.com")
    await gateway.admin.send("PUT", "/v1/admin/organizations/here", json={"name": "Only here"})

    first = await synced(gateway, ORGANIZATIONS, **{"Idempotency-Key": "k"})

    assert (first["added"], first["not_at_teli"]) == (1, 1)
    assert await synced(gateway, ORGANIZATIONS, **{"Idempotency-Key": "k"}) == first
    assert (await synced(gateway, ORGANIZATIONS))["added"] == 0
    filed = {one["id"]: one["name"] for one in (await gateway.admin.get("/v1/admin/organizations")).json()["items"]}
    assert (filed[named["unique_id"]], filed["here"]) == ("Only at Teli", "Only here")
    told = (await gateway.admin.get(f"/v1/admin/tenants/{tenant.id}")).json()
    assert told["organization_ids"] == [ORGANIZATION]


async def test_while_teli_cannot_be_asked_nothing_is_changed(gateway: Gateway):
    await gateway.teli.user(ORGANIZATION, unique_id="u1", name="Ann")
    faults: tuple[tuple[str, dict[str, str]], ...]
    faults = ("server_error", {}), ("cut_json", {}), ("reset", {"step": "received"}), ("html_error", {})
    asked = ("user_list", USERS), ("organization_list", ORGANIZATIONS)
    for (fault, params), (operation, path) in product(faults, asked):
        await gateway.teli.arm(fault, operation=operation, **params)
        answer = await gateway.admin.send("POST", path)
        assert answer.headers["retry-after"], answer.text
        assert "nothing was changed" in problem(answer, 503, "upstream_unavailable")["detail"]
    assert await gateway.sql("SELECT count(*) FROM users WHERE id = 'u1'") == [(0,)]
    assert await gateway.sql("SELECT count(*) FROM audit WHERE action LIKE '%.synced'") == [(0,)]


async def test_only_administrators_synchronise_and_only_what_there_is(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        problem(await gateway.admin.send("POST", "/v1/admin/organizations/o9/users/sync"), 404, "not_found")
        for caller in (tenant, gateway.operator):
            problem(await caller.send("POST", USERS), 403, "scope_missing")
            problem(await caller.send("POST", ORGANIZATIONS), 403, "scope_missing")
