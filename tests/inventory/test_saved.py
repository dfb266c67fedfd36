"""Saved filters: kept, shared in an organisation, applied, and told where the listing knows them no more."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from service.tenants.administration import TENANT_SCOPES, KeyLimits
from tests.http.refusals import nothing_happens, pointers, problem
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

from .rows import ask, fill, ids

FILTERS = "/v1/filters"
ELSEWHERE = "1762896364768x000000000000000009"
READS = ("numbers:read",)
ACTIVE = {"name": "Active", "filters": {"state": "active"}, "sort": "acquired_at"}


async def save(who: Tenant, **fields: Any) -> dict[str, Any]:
    answer = await who.send("POST", FILTERS, json=ACTIVE | fields)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"{FILTERS}/{answer.json()['id']}"
    body: dict[str, Any] = answer.json()
    return body


async def put(who: Tenant, saved: dict[str, Any], **fields: Any) -> httpx.Response:
    headers = {"If-Match": fields.pop("if_match")} if "if_match" in fields else {}
    body = {name: saved[name] for name in ("name", "organization_id", "filters", "sort")} | fields
    return await who.send("PUT", f"{FILTERS}/{saved['id']}", json=body, headers=headers)


async def names(who: Tenant) -> list[str]:
    answer = await who.get(FILTERS)
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == {"value": len(answer.json()["items"]), "exact": True}
    return [one["name"] for one in answer.json()["items"]]


@pytest.fixture
async def reader(gateway: Gateway) -> Tenant:
    """Granted the organisation, and may read."""
    return await gateway.tenant(scopes=READS)


@pytest.fixture
async def stranger(gateway: Gateway) -> Tenant:
    await gateway.services.administration.put_organization(AUTHOR, ELSEWHERE, "Elsewhere")
    return await gateway.tenant(scopes=READS, organization_ids=[ELSEWHERE])


async def test_what_is_saved_is_shown_as_it_was_saved(tenant: Tenant):
    saved = await save(tenant)

    assert saved == {
        "id": saved["id"],
        **ACTIVE,
        "organization_id": None,
        "mine": True,
        "faults": [],
        "created_at": saved["created_at"],
        "updated_at": saved["created_at"],
    }
    answer = await tenant.get(f"{FILTERS}/{saved['id']}")
    assert answer.json() == saved
    again = await tenant.get(f"{FILTERS}/{saved['id']}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await tenant.get(FILTERS)).json()["items"] == [saved]


async def test_a_listing_by_a_saved_filter_is_that_by_its_parameters(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 3)
    await fill(gateway, tenant.id, 2, start=10, user="another", state="missing")
    saved = await save(tenant, filters={"state": "missing", "user_id": "another"})

    assert await ids(tenant, filter=saved["id"]) == await ids(
        tenant, state="missing", user_id="another", sort="acquired_at"
    )
    assert len(await ids(tenant, filter=saved["id"])) == 2


async def test_what_the_query_names_itself_stands_in_place_of_what_is_saved(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 3)
    await fill(gateway, tenant.id, 2, start=10, user="another", state="missing")
    saved = await save(tenant, filters={"state": "missing"})

    assert len(await ids(tenant, filter=saved["id"], state="active")) == 3
    assert await ids(tenant, filter=saved["id"], user_id=USER) == []
    assert len(await ids(tenant, filter=saved["id"], user_id="another")) == 2


async def test_a_cursor_ends_where_the_filter_is_changed(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 4)
    saved = await save(tenant, sort=None)
    first = (await ask(tenant, filter=saved["id"], limit=2)).json()

    same = await ask(tenant, state="active", limit=2, cursor=first["next_cursor"])
    assert len(same.json()["items"]) == 2, "it is bound to what is asked, however it is said"
    assert (await put(tenant, saved, filters={"state": "missing"})).status_code == 200
    changed = await ask(tenant, filter=saved["id"], limit=2, cursor=first["next_cursor"])
    assert pointers(problem(changed, 400, "invalid_request")) == {"cursor"}


async def test_a_filter_shows_nobody_more_than_they_may_see(gateway: Gateway, tenant: Tenant, reader: Tenant):
    await fill(gateway, tenant.id, 3)
    await fill(gateway, reader.id, 1, start=10)
    plain = await save(tenant, organization_id=ORGANIZATION, filters={"state": "active"})
    named = await save(tenant, organization_id=ORGANIZATION, name="Theirs", filters={"tenant_id": tenant.id})

    assert len(await ids(reader, filter=plain["id"])) == 1
    problem(await ask(reader, filter=named["id"]), 403, "not_your_tenant")


async def test_who_is_granted_the_organisation_reads_what_is_shared_in_it_and_changes_nothing(
    gateway: Gateway, tenant: Tenant, reader: Tenant, stranger: Tenant
):
    shared = await save(tenant, organization_id=ORGANIZATION)
    await save(tenant, name="Mine alone")

    assert await names(tenant) == ["Active", "Mine alone"]
    assert await names(reader) == ["Active"]
    assert await names(stranger) == []
    shown = (await reader.get(f"{FILTERS}/{shared['id']}")).json()
    assert shown == shared | {"mine": False}
    assert tenant.id not in str(shown), "whose it is, is not told"
    async with nothing_happens(gateway):
        problem(await put(reader, shared, name="Taken"), 404, "not_found")
        problem(await reader.send("DELETE", f"{FILTERS}/{shared['id']}"), 404, "not_found")


async def test_what_is_anothers_is_the_same_404_as_what_does_not_exist(
    gateway: Gateway, tenant: Tenant, reader: Tenant, stranger: Tenant
):
    own, shared = await save(tenant), await save(tenant, name="Shared", organization_id=ORGANIZATION)

    for who, filter_id in ((reader, own["id"]), (stranger, shared["id"]), (gateway.admin, own["id"])):
        for method, path, body in (
            ("GET", f"{FILTERS}/{{}}", None),
            ("PUT", f"{FILTERS}/{{}}", ACTIVE),
            ("DELETE", f"{FILTERS}/{{}}", None),
            ("GET", "/v1/numbers?filter={}", None),
        ):
            theirs, none = [
                await who.send(method, path.format(one), json=body, headers={"X-Request-ID": "same"})
                for one in (filter_id, uuid4())
            ]
            problem(theirs, 404, "not_found", about=f"{method} {path}")
            assert theirs.content == none.content, f"{method} {path}"


async def test_an_administrator_changes_what_is_shared_but_not_with_whom(gateway: Gateway, tenant: Tenant):
    shared = await save(tenant, organization_id=ORGANIZATION)
    operator = await put(gateway.operator, shared, name="Operated")
    problem(operator, 404, "not_found")

    refused = await put(gateway.admin, shared, organization_id=None)
    assert pointers(problem(refused, 400, "invalid_request")) == {"/organization_id"}
    answer = await put(gateway.admin, shared, name="Better")

    assert (answer.status_code, answer.json()["mine"]) == (200, False)
    assert (await tenant.get(f"{FILTERS}/{shared['id']}")).json()["name"] == "Better"
    [(actor, whose, before, after)] = await gateway.sql(
        "SELECT actor, tenant_id, before, after FROM audit WHERE action = 'filter.changed'"
    )
    assert actor.startswith("key:")
    assert whose is None
    assert (before["name"], after["name"]) == ("Active", "Better")
    assert (await gateway.admin.send("DELETE", f"{FILTERS}/{shared['id']}")).status_code == 204
    assert await names(tenant) == []


async def test_whoever_acts_for_no_tenant_has_filters_of_its_own(gateway: Gateway):
    await save(gateway.admin)
    await save(gateway.operator)

    for who in (gateway.admin, gateway.operator):
        assert await names(who) == ["Active"]
    assert await gateway.sql("SELECT count(DISTINCT tenant_id) FROM saved_filters WHERE tenant_id LIKE '@key:%'") == [
        (2,)
    ]


async def test_a_tenants_filters_are_those_of_all_its_keys_within_their_limits(gateway: Gateway, stranger: Tenant):
    tenant = await gateway.tenant(organization_ids=[ORGANIZATION, ELSEWHERE])
    await save(tenant, name="Own")
    for organization in (ORGANIZATION, ELSEWHERE):
        await save(tenant, name=f"Of {organization}", organization_id=organization)
    issued = await gateway.services.administration.issue_key(
        AUTHOR, tenant.id, name="limited", scopes=list(TENANT_SCOPES),
        limits=KeyLimits(organization_ids=(ORGANIZATION,)),
    )  # fmt: skip
    limited = Tenant(gateway.http, tenant.id, issued.key)

    assert await names(limited) == [f"Of {ORGANIZATION}", "Own"]
    refused = await limited.send("POST", FILTERS, json=ACTIVE | {"organization_id": ELSEWHERE})
    problem(refused, 403, "not_your_organization")
    await gateway.services.administration.put_tenant(AUTHOR, tenant.id, None, [ELSEWHERE])
    await gateway.services.version.look()
    assert len(await names(tenant)) == 3, "what it shared itself stays its own"
    shared = next(one for one in (await tenant.get(FILTERS)).json()["items"] if one["organization_id"] == ORGANIZATION)
    problem(await put(tenant, shared), 403, "not_your_organization")
    assert (await put(tenant, shared, organization_id=None)).status_code == 200


async def test_a_name_is_taken_once_in_its_scope_and_the_other_is_named(gateway: Gateway, tenant: Tenant):
    own = await save(tenant)
    shared = await save(tenant, organization_id=ORGANIZATION)
    other = await save(tenant, name="Other")
    neighbour = await gateway.tenant(scopes=READS)
    await save(neighbour)

    for who, body, taken in (
        (tenant, ACTIVE, own),
        (neighbour, ACTIVE | {"organization_id": ORGANIZATION}, shared),
    ):
        refused = problem(await who.send("POST", FILTERS, json=body), 409, "state_conflict")
        assert refused["filter_id"] == taken["id"]
    renamed = problem(await put(tenant, other, name="Active"), 409, "state_conflict")
    assert renamed["filter_id"] == own["id"]
    assert (await put(tenant, own, filters={})).status_code == 200, "its own name is no other's"


async def test_of_many_that_save_one_name_at_once_one_does(gateway: Gateway, tenant: Tenant):
    answers = await asyncio.gather(*(tenant.send("POST", FILTERS, json=ACTIVE) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert await names(tenant) == ["Active"]


async def test_a_hundred_are_kept_of_one_owner_and_a_hundred_in_one_organisation(gateway: Gateway, tenant: Tenant):
    async with gateway.services.database.acting(tenant=tenant.id) as session:
        connection = await session.connection()
        for place in range(99):
            await connection.exec_driver_sql(
                "INSERT INTO saved_filters VALUES (gen_random_uuid(), $1, NULL, $2, '{}', NULL, now(), now())",
                (tenant.id, f"filter {place:02}"),
            )

    answers = await asyncio.gather(
        *(tenant.send("POST", FILTERS, json=ACTIVE | {"name": name}) for name in ("one", "two", "three"))
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    await save(tenant, organization_id=ORGANIZATION)
    page = (await tenant.get(f"{FILTERS}?limit=60")).json()
    rest = (await tenant.get(f"{FILTERS}?limit=60&cursor={page['next_cursor']}")).json()
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (60, 41, None)
    assert page["total"] == {"value": 101, "exact": True}


async def test_of_two_who_saw_the_same_one_changes_it_and_the_other_is_told(gateway: Gateway, tenant: Tenant):
    saved = await save(tenant)
    etag = (await tenant.get(f"{FILTERS}/{saved['id']}")).headers["ETag"]

    answers = await asyncio.gather(*(put(tenant, saved, name=f"n{n}", if_match=etag) for n in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    gone = await tenant.send("DELETE", f"{FILTERS}/{saved['id']}", headers={"If-Match": etag})
    problem(gone, 412, "etag_mismatch")
    assert len(await names(tenant)) == 1


async def test_each_change_is_in_the_audit_log_and_what_changes_nothing_is_not(gateway: Gateway, tenant: Tenant):
    saved = await save(tenant)
    await put(tenant, saved)
    await put(tenant, saved, name="Other", sort=None)
    assert (await tenant.send("DELETE", f"{FILTERS}/{saved['id']}")).status_code == 204

    found = await gateway.sql(
        "SELECT action, tenant_id, before->>'name', after->>'name' FROM audit WHERE object_id = :id ORDER BY id",
        id=saved["id"],
    )
    assert found == [
        ("filter.created", tenant.id, None, "Active"),
        ("filter.changed", tenant.id, "Active", "Other"),
        ("filter.deleted", tenant.id, "Other", None),
    ]


async def test_what_the_listing_knows_no_more_is_told_and_not_ignored(gateway: Gateway, tenant: Tenant):
    saved = await save(tenant, organization_id=ORGANIZATION)
    old = '{"state": "active", "colour": "red"}'
    async with gateway.services.database.acting(tenant=tenant.id) as session:
        connection = await session.connection()
        await connection.exec_driver_sql("UPDATE saved_filters SET filters = $1, sort = 'price'", (old,))

    shown = (await tenant.get(f"{FILTERS}/{saved['id']}")).json()
    assert {one["pointer"] for one in shown["faults"]} == {"colour", "sort"}
    assert shown["filters"] == {"state": "active", "colour": "red"}
    refused = problem(await ask(tenant, filter=saved["id"]), 409, "filter_outdated")
    assert pointers(refused) == {"colour", "sort"}
    assert refused["filter_id"] == saved["id"]
    problem(await ask(tenant, filter=saved["id"], sort="acquired_at"), 409, "filter_outdated")
    assert (await put(tenant, shown, filters={"state": "active"}, sort=None)).json()["faults"] == []


async def test_what_is_wrong_is_refused_by_name_all_at_once_and_nothing_is_saved(gateway: Gateway, tenant: Tenant):
    async with nothing_happens(gateway):
        for body, wrong in (
            ({}, {"/name", "/filters"}),
            ({"name": "", "filters": {"colour": "red", "state": "sold"}, "sort": "price", "colour": "red"},
             {"/name", "/filters/colour", "/filters/state", "/sort", "/colour"}),
            ({"name": "x" * 65, "filters": []}, {"/name", "/filters"}),
            ({"name": "a\u202eb", "filters": {}, "organization_id": ""}, {"/name", "/organization_id"}),
        ):  # fmt: skip
            assert pointers(problem(await tenant.send("POST", FILTERS, json=body), 400, "invalid_request")) == wrong
        problem(await tenant.send("POST", FILTERS, json=ACTIVE | {"organization_id": "nowhere"}),
                403, "not_your_organization")  # fmt: skip
    assert pointers(problem(await ask(tenant, filter="none"), 400, "invalid_request")) == {"filter"}


async def test_a_key_that_reads_no_numbers_has_no_filters(gateway: Gateway):
    blind = await gateway.tenant(scopes=["numbers:create"])
    problem(await blind.get(FILTERS), 403, "scope_missing")
    problem(await blind.send("POST", FILTERS, json=ACTIVE), 403, "scope_missing")
