"""Calls passed through, and held to whose they are."""

from datetime import timedelta

from service.tenants.administration import TENANT_SCOPES
from tests.calls.reading import PEOPLE, call
from tests.http.refusals import problem
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

CALLS = "/v1/voice/calls"
SECOND = "1762896366429x000000000000000003"
HOUR = timedelta(hours=1)
ASKED = {"organization_id": ORGANIZATION, "user_id": USER}
OWN = [one for one in TENANT_SCOPES if one != "inventory:org"]


async def ids(tenant: Tenant, **params: str) -> list[str]:
    answer = await tenant.get(CALLS, params=ASKED | params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["count"] == len(body["calls"])
    return [one["call_id"] for one in body["calls"]]


async def test_a_tenant_sees_the_calls_of_its_users_as_teli_lists_them(gateway: Gateway):
    tenant = await gateway.tenant(scopes=OWN)
    number = (await tenant.bought())["phone_number"]
    older = await call(gateway, PEOPLE, number, ago=2 * HOUR, direction="inbound")
    newer = await call(gateway, number, PEOPLE, ago=HOUR, direction="outbound")
    failed = await call(gateway, number, PEOPLE, ago=HOUR, direction="outbound", outcome="error")
    await call(gateway, PEOPLE, "+12125550100", ago=HOUR, direction="inbound", user_id=SECOND)

    assert await ids(tenant) == [newer, older]
    assert await ids(tenant, call_status="error") == [failed]
    assert await ids(tenant, direction="inbound") == [older]
    assert await ids(tenant, limit="1") == [newer]
    single = (await tenant.get(f"{CALLS}/{newer}")).json()
    assert (single["call"]["from_number"], single["call"]["call_id"]) == (number, newer)
    await gateway.teli.switch(id_form_calls="unique_id", call_rows_have_numbers=True)
    assert await ids(tenant) == [newer, older]
    assert (await tenant.get(f"{CALLS}/{newer}")).status_code == 200


async def test_calls_of_another_tenant_user_or_organisation_are_not_told(gateway: Gateway):
    tenant, other, viewer = [await gateway.tenant(scopes=OWN) for _ in range(2)] + [await gateway.tenant()]
    await gateway.teli.user(ORGANIZATION, unique_id=SECOND)
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, SECOND, {"name": "Second"})
    mine, theirs = (await tenant.bought())["phone_number"], (await other.bought(user_id=SECOND))["phone_number"]
    own = await call(gateway, PEOPLE, mine, ago=HOUR, direction="inbound")
    foreign = await call(gateway, PEOPLE, theirs, ago=HOUR, direction="inbound", user_id=SECOND)

    assert await ids(tenant) == [own]
    assert await ids(tenant, user_id=SECOND) == []
    assert await ids(other) == []
    problem(await tenant.get(f"{CALLS}/{foreign}"), 404, "not_found")
    problem(await other.get(f"{CALLS}/{own}"), 404, "not_found")
    problem(await tenant.get(f"{CALLS}/call_of_nobody"), 404, "not_found")
    problem(await tenant.get(CALLS, params=ASKED | {"is_admin": "true"}), 403, "scope_missing")
    problem(await tenant.get(CALLS, params=ASKED | {"organization_id": "another"}), 403, "not_your_organization")
    assert set(await ids(viewer, is_admin="true")) == {own, foreign}
    assert (await viewer.get(f"{CALLS}/{foreign}")).status_code == 200

    # Once both have numbers of one user, a row that names none is nobody's.
    shared = (await other.bought())["phone_number"]
    both = await call(gateway, PEOPLE, shared, ago=HOUR / 2, direction="inbound")
    answer = (await tenant.get(CALLS, params=ASKED)).json()
    assert (answer["calls"], len(answer["warnings"])) == ([], 1)
    await gateway.teli.switch(call_rows_have_numbers=True)
    assert await ids(tenant) == [own]
    assert await ids(other) == [both]
    problem(await tenant.get(f"{CALLS}/{both}"), 404, "not_found")


async def test_what_is_asked_for_wrongly_is_refused_and_an_upstream_that_fails_is_told(gateway: Gateway):
    tenant = await gateway.tenant(scopes=OWN)
    await tenant.bought()
    told = problem(
        await tenant.get(CALLS, params=ASKED | {"limit": "101", "call_status": "lost", "start_date": "soon"}),
        400, "invalid_request",
    )  # fmt: skip
    assert {one["pointer"] for one in told["errors"]} == {"limit", "call_status", "start_date"}
    for start, end in (("2026-02-01", "2026-01-31T23:00:00Z"), ("2026-02-01T00:00:00+01:00", "2026-01-31T22:59:59")):
        upside_down = await tenant.get(CALLS, params=ASKED | {"start_date": start, "end_date": end})
        assert {one["pointer"] for one in problem(upside_down, 400, "invalid_request")["errors"]} == {"end_date"}
    problem(await tenant.get(CALLS, params={"organization_id": ORGANIZATION}), 400, "invalid_request")
    answer = await tenant.get(CALLS, params=ASKED | {"sentiment": "Neutral"})
    assert answer.json()["warnings"] == ["sentiment: not a parameter of this path, ignored"]
    await gateway.teli.arm("html_error", operation="call_list")
    refused = await tenant.get(CALLS, params=ASKED)
    problem(refused, 503, "upstream_unavailable")
    assert refused.headers["Retry-After"]
