"""A key that is held to organisations, users or networks is held to them on every path, on repeats and joins too."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from service.db import Bounds
from service.tenants.administration import TENANT_SCOPES
from tests.conftest import OpenGateway
from tests.http.refusals import nothing_happens, pointers, problem
from tests.orders.desk import RELEASE, apply, preview
from tests.support.gateway import AUTHOR, CREATE, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

SOUTH, ANN = "org-south", "ann"


async def limited(gateway: Gateway, tenant: Tenant, **limits: Any) -> Tenant:
    """The same tenant by a further key."""
    body = {"name": "limited", "scopes": list(TENANT_SCOPES), **limits}
    answer = await gateway.admin.send("POST", f"/v1/admin/tenants/{tenant.id}/keys", json=body)
    assert answer.status_code == 201, answer.text
    assert {name: answer.json()[name] for name in limits} == limits
    return Tenant(gateway.http, tenant.id, answer.json()["key"])


@pytest.fixture
async def tenant(gateway: Gateway) -> Tenant:
    """Granted two organisations; Ann is a user of both, the standard user of the first."""
    administration = gateway.services.administration
    await administration.put_organization(AUTHOR, SOUTH, "South")
    for organization in (ORGANIZATION, SOUTH):
        await administration.put_user(AUTHOR, organization, ANN, {})
    await administration.put_user(AUTHOR, SOUTH, "bob", {})
    return await gateway.tenant(organization_ids=[ORGANIZATION, SOUTH])


async def seen(tenant: Tenant) -> dict[Any, Any]:
    """Everything the key can list: by Teli's path of each owner, the inventory, and the rows that limits count."""
    found: dict[Any, Any] = {}
    for organization, user in ((ORGANIZATION, USER), (ORGANIZATION, ANN), (SOUTH, ANN), (SOUTH, "bob")):
        for whole in ("false", "true"):
            answer = await tenant.get(
                NUMBERS, params={"user_id": user, "organization_id": organization, "is_admin": whole}
            )
            rows = answer.json().get("phone_numbers", [])
            found[organization, user, whole] = answer.json().get("code") or sorted(row["phone_number"] for row in rows)
    inventory = (await tenant.get("/v1/numbers")).json()
    found["inventory"] = sorted(row["phone_number"] for row in inventory["items"])
    assert inventory["total"]["value"] == len(inventory["items"])
    counted = (await tenant.get("/v1/quotas/numbers_held/rows")).json()
    found["counted"] = sorted(row["phone_number"] for row in counted["items"] if row["kind"] == "number")
    assert counted["total"]["value"] == len(counted["items"])
    return found


async def test_a_limited_key_sees_buys_changes_and_releases_within_its_limits_alone(gateway: Gateway, tenant: Tenant):
    north = await tenant.bought(key="n")
    ann = await tenant.bought(key="a", user_id=ANN)
    south = await tenant.bought(key="s", user_id=ANN, organization_id=SOUTH)
    numbers = [body["phone_number"] for body in (north, ann, south)]
    await gateway.follow_up()
    by_organization = await limited(gateway, tenant, organization_ids=[SOUTH], user_ids=None)
    by_user = await limited(gateway, tenant, user_ids=[ANN])
    by_both = await limited(gateway, tenant, organization_ids=[ORGANIZATION], user_ids=[ANN])

    not_organization, not_user = "not_your_organization", "not_your_user"
    for key, own, refusals in (
        (by_organization, [south], {ORGANIZATION: not_organization}),
        (by_user, [ann, south], {USER: not_user, "bob": not_user}),
        (by_both, [ann], {SOUTH: not_organization, USER: not_user}),
    ):
        organization = ORGANIZATION if ann in own else SOUTH
        phones = sorted(body["phone_number"] for body in own)
        found = await seen(key)
        assert found.pop("inventory") == found.pop("counted") == phones
        for (asked, user, whole), rows in found.items():
            expected: Any = refusals.get(asked) or refusals.get(user)
            mine = [body for body in own if (body is south) == (asked == SOUTH)]
            if expected is None:
                users = {ANN: (ann, south), USER: (north,), "bob": ()}[user]
                expected = sorted(b["phone_number"] for b in mine if whole == "true" or b in users)
            assert rows == expected, (asked, user, whole)

        async with nothing_happens(gateway):
            for body in (north, ann, south):
                for path in (
                    f"/v1/numbers/{body['phone_number']}", f"/v1/numbers/{body['id']}",
                    f"/v1/operations/{body['operation_id']}",
                ):  # fmt: skip
                    assert (await key.get(path)).status_code == (200 if body in own else 404), path
                if body not in own:
                    path = f"{NUMBERS}/{body['phone_number']}"
                    problem(await key.send("POST", f"{path}/update-agent", json={"nickname": "x"}), 404, "not_found")
                    problem(await key.send("DELETE", path), 404, "not_found")
                    problem(await key.send("DELETE", f"{path}?id={body['id']}"), 404, "not_found")
            for beyond, code in refusals.items():
                named = {"organization_id" if code == not_organization else "user_id": beyond}
                problem(await key.buy(**{"organization_id": organization, "user_id": ANN} | named), 403, code)
                problem(await key.get("/v1/numbers", params=named), 403, code)
    for key, wish in (
        (by_organization, {"organization_id": SOUTH, "user_id": "bob"}),
        (by_user, {"user_id": ANN}),
        (by_both, {"user_id": ANN}),
    ):
        bought = await key.bought(**wish)
        await gateway.follow_up()
        path = f"{NUMBERS}/{bought['phone_number']}"
        assert (await key.send("POST", f"{path}/update-agent", json={"nickname": "x"})).status_code in (200, 202)
        assert (await key.send("DELETE", path)).status_code in (200, 202)
    assert set(numbers) <= set((await seen(tenant))["inventory"]), "nothing was done to what is beyond"


async def test_what_another_key_was_answered_is_told_within_the_limits_alone(gateway: Gateway, tenant: Tenant):
    """From Redis, from Postgres, and taken over without an idempotency key."""
    south = {"organization_id": SOUTH, "user_id": ANN}
    ours = await tenant.bought(key="ours", **south)
    theirs = await tenant.bought(key="theirs")
    await gateway.follow_up()
    phone = theirs["phone_number"]
    renamed = {"json": {"nickname": "Theirs"}, "headers": {"Idempotency-Key": "rename"}}
    assert (await tenant.send("POST", f"{NUMBERS}/{phone}/update-agent", **renamed)).status_code == 200
    keys = [await limited(gateway, tenant, **one) for one in ({"organization_ids": [SOUTH]}, {"user_ids": [ANN]})]
    by_organization, by_user = keys

    for flushed in (False, True):
        if flushed:
            await gateway.flush_redis()
        for key in keys:
            assert (await key.buy(key="ours", **south)).json() == ours
        problem(await by_organization.buy(key="theirs"), 403, "not_your_organization")
        problem(await by_user.buy(key="theirs"), 403, "not_your_user")
        # Another body under the key of another is another request, as ever.
        problem(await by_user.buy(key="theirs", **south), 422, "idempotency_key_reused")
    for key in keys:
        problem(await key.send("POST", f"{NUMBERS}/{phone}/update-agent", **renamed), 404, "not_found")

    for member, body in (("told", {"nickname": "Patched"}), ("here", {"cost_center": "c"})):
        patched = {"json": body, "headers": {"Idempotency-Key": f"patch-{member}"}}
        assert (await tenant.send("PATCH", f"/v1/numbers/{phone}", **patched)).status_code == 200
        for key in keys:
            problem(await key.send("PATCH", f"/v1/numbers/{phone}", **patched), 404, "not_found")

    released = {"headers": {"Idempotency-Key": "release"}}
    assert (await tenant.send("DELETE", f"{NUMBERS}/{phone}", **released)).status_code == 200
    again = {"headers": {"Idempotency-Key": "again"}}  # What this one is answered is kept without a step.
    assert (await tenant.send("DELETE", f"{NUMBERS}/{phone}", **again)).status_code == 200
    for key in keys:
        for repeated in (released, again):
            problem(await key.send("DELETE", f"{NUMBERS}/{phone}", **repeated), 404, "not_found")
        assert (await tenant.send("DELETE", f"{NUMBERS}/{phone}", **again)).json()["released_at"]


async def test_an_order_that_touches_nothing_is_within_the_limits_of_whom_it_names(gateway: Gateway, tenant: Tenant):
    key, other = [await limited(gateway, tenant, user_ids=[one]) for one in (ANN, "bob")]
    nothing = {"ids": [str(uuid4())]}
    unlimited = await preview(tenant, nothing, RELEASE)
    mine = await preview(key, nothing, RELEASE)
    listed = {"state": "previewed"}
    for who, shown in ((tenant, [unlimited, mine]), (key, [mine]), (other, [])):
        items = (await who.get("/v1/orders", params=listed)).json()["items"]
        assert {one["order_id"] for one in items} == {one["order_id"] for one in shown}
        for one in (unlimited, mine):
            status = 200 if one in shown else 404
            path = f"/v1/orders/{one['order_id']}"
            assert (await who.get(path)).status_code == (await who.get(f"{path}/items")).status_code == status
    path = f"/v1/orders/{unlimited['order_id']}/cancel"
    problem(await key.send("POST", path), 404, "not_found")
    assert (await apply(key, mine["token"])).status_code == 202


async def test_a_saved_filter_that_names_others_is_not_there_for_a_limited_key(gateway: Gateway, tenant: Tenant):
    by_user = await limited(gateway, tenant, user_ids=[ANN])
    by_organization = await limited(gateway, tenant, organization_ids=[SOUTH])
    saved = {}
    for name, filters in (
        ("user", {"user_id": USER}), ("holder", {"holder_user_id": USER}), ("north", {"organization_id": ORGANIZATION}),
        ("ann", {"user_id": ANN}), ("south", {"organization_id": SOUTH}),
    ):  # fmt: skip
        answer = await tenant.send("POST", "/v1/filters", json={"name": name, "filters": filters})
        assert answer.status_code == 201, answer.text
        saved[name] = answer.json()["id"]

    for key, theirs, others, refusal in (
        (by_user, {"north", "ann", "south"}, {"user", "holder"}, "not_your_user"),
        (by_organization, {"user", "holder", "ann", "south"}, {"north"}, "not_your_organization"),
    ):
        assert {one["name"] for one in (await key.get("/v1/filters")).json()["items"]} == theirs
        beyond = {"user_id": USER} if key is by_user else {"organization_id": ORGANIZATION}
        for name in others:
            path = f"/v1/filters/{saved[name]}"
            problem(await key.get(path), 404, "not_found")
            problem(await key.get("/v1/numbers", params={"filter": saved[name]}), 404, "not_found")
            problem(await key.send("PUT", path, json={"name": "x", "filters": {"state": "active"}}), 404, "not_found")
            problem(await key.send("DELETE", path), 404, "not_found")
            taken = await key.send("POST", "/v1/filters", json={"name": name, "filters": {"state": "active"}})
            problem(taken, 409, "state_conflict")
        problem(await key.send("POST", "/v1/filters", json={"name": "x", "filters": beyond}), 403, refusal)
        mine = {"name": "x", "filters": beyond}
        problem(
            await key.send("PUT", f"/v1/filters/{saved['ann' if key is by_user else 'south']}", json=mine), 403, refusal
        )


async def test_a_body_that_names_no_organisation_means_the_keys_own(gateway: Gateway, tenant: Tenant):
    north, south = [await limited(gateway, tenant, organization_ids=[one]) for one in (ORGANIZATION, SOUTH)]
    body = {"area_code": "313", "user_id": ANN}

    async def buy(key: Tenant, idempotency_key: str | None, **more: str) -> httpx.Response:
        headers: Mapping[str, str] = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return await key.send("POST", CREATE, json=body | more, headers=headers)

    first = (await buy(north, "k")).json()
    assert (await buy(north, "k")).json() == first
    problem(await buy(south, "k"), 422, "idempotency_key_reused")
    await gateway.flush_redis()
    problem(await buy(south, "k"), 422, "idempotency_key_reused")
    assert (await buy(tenant, "k", organization_id=ORGANIZATION)).json() == first
    problem(await buy(tenant, "k"), 422, "idempotency_key_reused")
    problem(await buy(tenant, None), 400, "invalid_request")

    # Left undelivered by one, it is not taken over by the other.
    await gateway.teli.arm("server_error")
    doubt = await north.send("POST", CREATE, json=body, headers={"Prefer": "respond-async"})
    assert doubt.status_code == 202
    other = await buy(south, None)
    assert other.status_code == 200
    assert "joined" not in other.json()
    assert (await seen(south))["inventory"] == [other.json()["phone_number"]]
    taken = await north.send("POST", CREATE, json=body, headers={"Prefer": "respond-async"})
    assert (taken.json()["joined"], taken.json()["operation_id"]) == (True, doubt.json()["operation_id"])


async def test_a_grant_that_ends_ends_within_the_limit_too(gateway: Gateway, tenant: Tenant):
    key = await limited(gateway, tenant, organization_ids=[SOUTH, ORGANIZATION])
    kept = await key.bought(key="kept", organization_id=SOUTH, user_id=ANN)
    await gateway.services.administration.put_tenant(AUTHOR, tenant.id, None, [ORGANIZATION])
    await gateway.services.version.look()
    problem(await key.buy(organization_id=SOUTH, user_id=ANN), 403, "not_your_organization")
    again = await key.buy(key="kept", organization_id=SOUTH, user_id=ANN)
    assert again.json() == kept, "what was answered while it was granted still holds"


async def test_row_level_security_alone_holds_a_transaction_to_its_bounds(gateway: Gateway, tenant: Tenant):
    for owner in ({}, {"user_id": ANN}, {"user_id": ANN, "organization_id": SOUTH}):
        await tenant.bought(inbound_agent_id="agent_1", **owner)
    await gateway.follow_up()
    database = gateway.services.database
    counts = text(
        "SELECT (SELECT count(*) FROM numbers), (SELECT count(*) FROM intents),"
        " (SELECT count(DISTINCT number_id) FROM steps), (SELECT count(*) FROM agent_links),"
        " (SELECT count(DISTINCT object_id) FROM audit WHERE object_kind = 'number'),"
        " (SELECT count(DISTINCT object_id) FROM audit WHERE object_kind = 'intent')"
    )
    for bounds, rows in (
        (Bounds(), 3),
        (Bounds(organizations=(SOUTH,)), 1),
        (Bounds(organizations=(ORGANIZATION, SOUTH)), 3),
        (Bounds(users=(ANN,)), 2),
        (Bounds(organizations=(ORGANIZATION,), users=(ANN,)), 1),
        (Bounds(organizations=()), 0),
        (Bounds(users=('","', "{}", "NULL")), 0),
    ):
        for sees in ((), ("*",)):
            async with database.acting(tenant=tenant.id, sees=sees, bounds=bounds) as session:
                assert tuple((await session.execute(counts)).one()) == (rows,) * 6, bounds
                changed = await session.execute(text("UPDATE numbers SET nickname = nickname RETURNING id"))
                assert len(changed.all()) == rows
                await session.rollback()
    async with database.acting(tenant=tenant.id) as session:
        assert tuple((await session.execute(counts)).one()) == (3,) * 6, "nothing is left over for who comes next"


async def test_a_key_is_used_from_its_networks_alone(gateway: Gateway, tenant: Tenant):
    inside = await limited(gateway, tenant, networks=["203.0.113.0/24", "2001:db8::/32"])
    for address, good in (
        ("203.0.113.9", True), ("::ffff:203.0.113.9", True), ("2001:db8::1", True),
        ("203.0.114.1", False), ("2001:db9::1", False), ("127.0.0.1", False), ("", False),
    ):  # fmt: skip
        transport = httpx.ASGITransport(app=gateway.app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://numbergate") as http:
            here = Tenant(http, tenant.id, inside.key)
            for answer in (
                await here.get("/v1/numbers"), await here.get("/v1/quotas?x=1"),
                await here.get("/v1/numbers/x"), await here.buy("800"),
            ):  # fmt: skip
                if not good:
                    told = problem(answer, 403, "network_not_allowed", about=address)
                    assert (address or "an address that cannot be told") in told["detail"]
                else:
                    assert answer.status_code in (200, 400), address


async def test_a_key_of_staff_is_held_to_networks_too(gateway: Gateway):
    issued = await gateway.services.administration.issue_staff_key(AUTHOR, "operator", "K", ("203.0.113.0/24",))
    answer = await gateway.http.get("/v1/admin/doubts", headers={"X-API-Key": issued.key})
    problem(answer, 403, "network_not_allowed")
    [(actor,)] = await gateway.sql("SELECT actor FROM audit WHERE after->>'code' = 'network_not_allowed'")
    assert actor == f"key:{issued.id}", "a key that may have been stolen is named in the audit log"


async def test_a_key_is_told_what_it_is_limited_to(gateway: Gateway, tenant: Tenant):
    limits = {"organization_ids": [ORGANIZATION], "user_ids": [USER], "networks": ["127.0.0.0/8"]}
    key = await limited(gateway, tenant, **limits)
    told = (await key.get("/v1/me")).json()
    assert {name: told[name] for name in limits} == limits
    told = (await tenant.get("/v1/me")).json()
    assert (told["user_ids"], told["networks"]) == (None, None)


BODY = {"name": "K", "scopes": ["numbers:read"]}
BAD: dict[str, tuple[dict[str, Any], set[str]]] = {
    "no organisation": ({"organization_ids": []}, {"/organization_ids"}),
    "no user": ({"user_ids": []}, {"/user_ids"}),
    "no network": ({"networks": []}, {"/networks"}),
    "one text": ({"organization_ids": SOUTH}, {"/organization_ids"}),
    "an organisation that is not granted": (
        {"organization_ids": [ORGANIZATION, "org-east", "nowhere"]},
        {"/organization_ids/1", "/organization_ids/2"},
    ),
    "a user of no organisation": ({"user_ids": [ANN, "eve"]}, {"/user_ids/1"}),
    "a user of another organisation": ({"organization_ids": [ORGANIZATION], "user_ids": ["bob"]}, {"/user_ids/0"}),
    "both": ({"organization_ids": ["nowhere"], "user_ids": [ANN]}, {"/organization_ids/0", "/user_ids/0"}),
    "an empty id": ({"user_ids": [""]}, {"/user_ids/0"}),
    "host bits": ({"networks": ["10.0.0.1/8", "10.0.0.0/8"]}, {"/networks/0"}),
    "no CIDR": ({"networks": ["10.0.0.0/8", "10.0.0.0/33", "office"]}, {"/networks/1", "/networks/2"}),
    "too many": ({"networks": [f"10.0.{n}.0/24" for n in range(101)]}, {"/networks"}),
    "no scope": ({"scopes": []}, {"/scopes"}),
    "unknown scopes": ({"scopes": ["numbers:read", "numbers:*", "all"]}, {"/scopes/1", "/scopes/2"}),
    "scopes of staff": ({"scopes": ["admin:*"]}, {"/scopes/0"}),
    "an end in seconds": ({"expires_at": 4_102_444_800}, {"/expires_at"}),
    "an end in digits": ({"expires_at": "4102444800"}, {"/expires_at"}),
    "an end that is past": ({"expires_at": "2020-01-01T00:00:00Z"}, {"/expires_at"}),
}


@pytest.fixture
async def granted(gateway: Gateway, tenant: Tenant) -> Tenant:
    await gateway.services.administration.put_organization(AUTHOR, "org-east", "East")
    return tenant


async def test_limits_that_cannot_be_are_told_and_no_key_is_issued(gateway: Gateway, granted: Tenant):
    async with nothing_happens(gateway):
        for name, (fields, where) in BAD.items():
            answer = await gateway.admin.send("POST", f"/v1/admin/tenants/{granted.id}/keys", json=BODY | fields)
            told = problem(answer, 400, "invalid_request", about=name)
            assert pointers(told) == where, name
    details = {
        "host bits": "write 10.0.0.0/8",
        "no network": "leave it out, or send null, for no limit",
        "an organisation that is not granted": "grant it first",
        "a user of no organisation": "put it first",
    }
    for name, mend in details.items():
        answer = await gateway.admin.send("POST", f"/v1/admin/tenants/{granted.id}/keys", json=BODY | BAD[name][0])
        assert mend in answer.json()["detail"], name


async def test_limits_are_listed_told_again_noted_and_kept_by_a_rotation(gateway: Gateway, tenant: Tenant):
    limits = {"organization_ids": [SOUTH], "user_ids": ["bob", ANN], "networks": ["10.0.0.0/8", "2001:db8::/32"]}
    body = BODY | {"scopes": ["numbers:read", "inventory:org", "numbers:read"]}
    body |= {name: [*some, some[0]] for name, some in limits.items()} | {"networks": ["10.0.0.0/8", "2001:DB8:0::/32"]}
    path, once = f"/v1/admin/tenants/{tenant.id}/keys", {"Idempotency-Key": "k"}
    issued = (await gateway.admin.send("POST", path, json=body, headers=once)).json()
    assert {name: issued[name] for name in limits} == limits
    assert issued["scopes"] == ["numbers:read", "inventory:org"], "what is named twice is had once"
    again = (await gateway.admin.send("POST", path, json=body, headers=once)).json()
    assert again == issued | {"key": None}

    rotated = (await gateway.admin.send("POST", f"/v1/admin/keys/{issued['id']}/rotate", json={})).json()
    assert {name: rotated[name] for name in limits} == limits
    listed = (await gateway.admin.get("/v1/admin/keys", params={"tenant_id": tenant.id})).json()["items"]
    successor, old, unlimited = listed
    for one in (successor, old):
        assert {name: one[name] for name in limits} == limits
    assert (unlimited["organization_ids"], unlimited["user_ids"], unlimited["networks"]) == (None, None, None)
    [[noted]] = await gateway.sql(
        "SELECT after FROM audit WHERE object_id = :id AND action = 'key.issued'", id=issued["id"]
    )
    assert {name: noted[name] for name in limits} == limits


async def test_a_listing_continues_within_the_limits_of_the_key(
    open_gateway: OpenGateway, gateway: Gateway, tenant: Tenant
):
    await gateway.mark_mode(tenant)
    for number in range(3):
        await tenant.bought(key=f"n{number}")
        await tenant.bought(key=f"a{number}", user_id=ANN)
    key = await limited(gateway, tenant, user_ids=[ANN])
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await key.get("/v1/numbers", params=params)).json()
        found += [row["user_id"] for row in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == [ANN] * 3
