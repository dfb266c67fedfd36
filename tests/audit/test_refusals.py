"""Refused administrative attempts are in the log, each in time, and a flood of them in few rows."""

from typing import Any

from service.audit.refusals import Refusal, Refusals
from tests.http.refusals import problem
from tests.support.gateway import Gateway, Tenant

FOUND = "SELECT tenant_id, object_id, after, request_id, actor FROM audit WHERE action = 'request.refused' ORDER BY id"


async def found(gateway: Gateway) -> list[tuple[Any, ...]]:
    return await gateway.sql(FOUND)


async def test_a_forbidden_attempt_names_who_tried_what_and_nothing_of_its_body(gateway: Gateway, tenant: Tenant):
    answer = await tenant.send(
        "PUT", "/v1/admin/tenants/other", json={"name": "a secret of mine"}, headers={"X-Request-ID": "tried"}
    )
    problem(answer, 403, "scope_missing")

    [(tenant_id, route, after, request_id, actor)] = await found(gateway)
    assert (tenant_id, route, request_id) == (tenant.id, "PUT /v1/admin/tenants/{tenant_id}", "tried")
    assert actor.startswith("key:")
    assert after == {"status": 403, "code": "scope_missing", "path": "/v1/admin/tenants/other", "times": 1}


async def test_reads_are_noted_when_forbidden_and_changes_when_they_conflict(gateway: Gateway, tenant: Tenant):
    problem(await tenant.get("/v1/admin/keys"), 403, "scope_missing")
    path = f"/v1/admin/tenants/{tenant.id}"
    await gateway.admin.send("PUT", path, json={"state": "closed"})
    problem(await gateway.admin.send("PUT", path, json={"state": "active"}), 409, "state_conflict")

    assert [(route, after["code"]) for _, route, after, *_ in await found(gateway)] == [
        ("GET /v1/admin/keys", "scope_missing"), ("PUT /v1/admin/tenants/{tenant_id}", "state_conflict"),
    ]  # fmt: skip


async def test_what_is_not_administrative_or_by_nobody_or_only_wrong_is_not_noted(gateway: Gateway, tenant: Tenant):
    problem(await gateway.http.get("/v1/admin/keys"), 401, "missing_key")
    problem(await gateway.admin.get("/v1/admin/tenants/nobody"), 404, "not_found")
    problem(await gateway.admin.send("PUT", "/v1/admin/tenants/-", json={}), 400, "invalid_request")
    problem(await tenant.buy(organization_id="another"), 403, "not_your_organization")

    assert await found(gateway) == []


async def test_a_flood_is_two_rows_a_minute_for_each_route(gateway: Gateway, tenant: Tenant):
    for number in range(30):
        await tenant.send("PUT", f"/v1/admin/organizations/{number}", json={}, headers={"X-Request-ID": f"r{number}"})
    assert [(after["times"], request_id) for *_, after, request_id, _ in await found(gateway)] == [(1, "r0")]

    await gateway.services.refusals.flush(0)
    assert len(await found(gateway)) == 1, "its minute is not over"
    await gateway.services.refusals.flush()
    await gateway.services.refusals.flush()

    _, (_, route, after, request_id, _) = await found(gateway)
    assert (route, after["times"], request_id) == ("PUT /v1/admin/organizations/{organization_id}", 29, "r29")
    assert after["paths"] == [f"/v1/admin/organizations/{number}" for number in range(1, 11)]


async def test_a_path_that_cannot_be_stored_is_noted_as_what_can(gateway: Gateway, tenant: Tenant):
    problem(await tenant.send("PUT", f"/v1/admin/tenants/%00%E2%80%AE{'x' * 2000}", json={}), 403, "scope_missing")
    [(_, _, after, *_)] = await found(gateway)
    assert after["path"].startswith("/v1/admin/tenants/\ufffd\ufffdxxx")
    assert len(after["path"]) == 301


async def test_where_it_cannot_be_noted_the_answer_is_the_same_and_it_is_noted_later(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    refusals = gateway.services.refusals
    await gateway.sql("SELECT 1")
    broken = Refusals(_Broken())
    refusal = Refusal("key:x", None, "PUT /v1/admin/x", "/v1/admin/x", 403, "scope_missing", "r")
    await broken.refused(refusal)
    await broken.flush()
    assert await found(gateway) == []
    broken._database = refusals._database
    await broken.flush()

    [(_, _, after, request_id, _)] = await found(gateway)
    assert (after["times"], after["paths"], request_id) == (1, ["/v1/admin/x"], "r")


class _Broken:
    def acting(self, **_: object) -> Any:
        raise OSError("away")
