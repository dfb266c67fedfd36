"""Campaigns over the gateway: whose numbers they call from, whose they are, and that each is created once."""

import asyncio
from typing import Any

import pytest

from service.tenants.administration import TENANT_SCOPES, KeyLimits
from tests.campaigns.campaign import CAMPAIGNS, LEADS, ask, body, created, creates, dialled, look
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.simulator.program import KEY
from tests.simulator.teli import TeliClient
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, TELI_TENANT, USER, Gateway, Tenant

pytestmark = pytest.mark.usefixtures("patient_sends")


async def test_a_campaign_calls_its_leads_once_from_numbers_that_the_tenant_holds(gateway: Gateway, tenant: Tenant):
    caller_id, other = (await tenant.bought())["phone_number"], (await tenant.bought())["phone_number"]
    answer = await ask(
        tenant, caller_id, tenant_id=TELI_TENANT, leads=[*LEADS, {"first_name": "No number"}], unheard_of=1,
        number_pool=[{"phone_number": caller_id}, {"phone_number": other}],
    )  # fmt: skip

    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["campaign_id"], told["contacts_count"], told["invalid_leads_count"]) == ("spring 1", 2, 1)
    assert (told["success"], told["state"], told["warnings"]) == (
        True, "running", ["unheard_of: not a field of this request, ignored"],
    )  # fmt: skip
    assert await dialled(gateway) == {"+14155550101": 1, "+14155550102": 1}
    [request] = await gateway.teli.requests("campaign_create")
    assert "unheard_of" not in str(request)

    shown = (await tenant.get(f"{CAMPAIGNS}/spring%201")).json()
    assert (shown["status"], shown["progress"]["total"], shown["id"]) == ("active", 2, told["id"])
    listed = (await tenant.get(CAMPAIGNS, params={"organization_id": ORGANIZATION, "tenant_id": tenant.id})).json()
    assert [(one["campaign_id"], one["id"]) for one in listed["campaigns"]] == [("spring 1", told["id"])]
    operation = await tenant.operation(told["operation_id"])
    assert (operation["kind"], operation["state"], operation["result"]) == ("campaign", "succeeded", told)
    actions = [action for action, _, _ in await gateway.audited(told["id"])]
    assert actions == ["campaign.sending", "campaign.created"]
    kinds = await gateway.sql("SELECT kind FROM outbox WHERE kind LIKE 'campaign%' ORDER BY id")
    assert kinds == [("campaign.sending",), ("campaign.created",)]


async def test_the_same_body_again_gets_the_same_answer_and_another_body_none(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    first = await ask(tenant, caller_id)
    again = await ask(tenant, caller_id, tenant_id=tenant.id)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    problem(await ask(tenant, caller_id, leads=LEADS[:1]), 409, "state_conflict")

    at_once = await asyncio.gather(*(ask(tenant, caller_id, campaign_id="autumn") for _ in range(6)))

    assert {one.status_code for one in at_once} == {200}
    assert len({one.content for one in at_once}) == 1
    assert await creates(gateway) == 2
    assert set((await dialled(gateway)).values()) == {2}


async def test_every_number_that_may_not_call_is_named_and_nothing_is_sent(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    mine, releasing, theirs = [
        (await one.bought())["phone_number"] for one in (tenant, tenant, other)
    ]  # fmt: skip
    await gateway.teli.arm("html_error", 50, operation="release")
    await tenant.send("DELETE", f"{NUMBERS}/{releasing}", headers={"Prefer": "respond-async"})
    answer = await ask(
        tenant, theirs,
        number_pool=[{"phone_number": one} for one in (mine, releasing, "+12125550000")],
    )  # fmt: skip

    told = problem(answer, 400, "invalid_request")
    assert {one["pointer"]: one["detail"] for one in told["errors"]} == {
        "/agent_outbound_number": "is not a number that you hold in this organisation; name one that is",
        "/number_pool/1/phone_number": "is being released; name another, or restore it first",
        "/number_pool/2/phone_number": "is not a number that you hold in this organisation; name one that is",
    }
    faulty = body(mine, "a/b", leads=[], number_pool=[{"phone_number": "415"}], campaign_end_time="soon")
    told = problem(await tenant.send("POST", CAMPAIGNS, json=faulty), 400, "invalid_request")
    assert {one["pointer"] for one in told["errors"]} == {
        "/campaign_id", "/leads", "/number_pool/0/phone_number", "/campaign_end_time",
    }  # fmt: skip
    without = {name: value for name, value in body(mine).items() if name != "campaign_id"}
    told = problem(await tenant.send("POST", CAMPAIGNS, json=without), 400, "invalid_request")
    assert [one["pointer"] for one in told["errors"]] == ["/campaign_id"]
    problem(await ask(tenant, mine, user_id="nobody"), 400, "unknown_user")
    problem(await ask(tenant, mine, tenant_id=other.id), 403, "not_your_tenant")
    await gateway.admin.send("PUT", f"/v1/admin/policies/{tenant.id}", json={"agents_allowed": ["agent_x"]})
    await gateway.services.version.look()
    told = problem(await ask(tenant, mine), 400, "invalid_request")
    assert [one["pointer"] for one in told["errors"]] == ["/voice_agent_id"]
    assert await creates(gateway) == 0


async def test_another_tenants_campaign_is_not_seen_not_moved_and_not_written_over(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant(scopes=[one for one in TENANT_SCOPES if one != "inventory:org"])
    whole = await gateway.tenant()
    await created(tenant, (await tenant.bought())["phone_number"])
    theirs = (await other.bought())["phone_number"]

    problem(await ask(other, theirs), 409, "state_conflict")
    problem(await other.get(f"{CAMPAIGNS}/spring%201"), 404, "not_found")
    for verb in ("pause", "end"):
        problem(await other.send("POST", f"{CAMPAIGNS}/spring%201/{verb}"), 404, "not_found")
    params = {"organization_id": ORGANIZATION}
    assert (await other.get(CAMPAIGNS, params=params)).json()["campaigns"] == []
    problem(await other.get(CAMPAIGNS, params=params | {"is_admin": "true"}), 403, "scope_missing")
    assert (await whole.get(CAMPAIGNS, params=params | {"is_admin": "true"})).json()["count"] == 1
    problem(await whole.send("POST", f"{CAMPAIGNS}/spring%201/end"), 404, "not_found")
    assert await creates(gateway) == 1


async def test_an_id_that_teli_knows_from_elsewhere_is_not_sent(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    async with TeliClient(gateway.settings.teli_base_url, KEY) as direct:
        await direct.post(CAMPAIGNS, **body(caller_id, tenant_id=TELI_TENANT))
    problem(await ask(tenant, caller_id), 409, "state_conflict")
    assert await creates(gateway) == 1


async def test_whoever_is_stopped_or_cannot_reach_teli_creates_none(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    stop = {"scope": "tenant", "id": tenant.id, "reason": "a test"}
    await gateway.operator.send("POST", "/v1/admin/stop", json=stop)
    problem(await ask(tenant, caller_id), 503, "purchases_stopped")
    await gateway.operator.send("POST", "/v1/admin/resume", json=stop)
    await gateway.teli.offline()
    refused = await ask(tenant, caller_id)
    await gateway.teli.online()
    problem(refused, 503, "upstream_unavailable")
    assert refused.headers["Retry-After"]
    assert await creates(gateway) == 0
    await created(tenant, caller_id)


async def test_a_definite_refusal_is_passed_on_and_leaves_the_id_free(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    await gateway.teli.switch(campaign_caller_id="refused")
    await gateway.teli.dashboard_release(caller_id)
    refused = await ask(tenant, caller_id)
    assert "agent_outbound_number not found" in problem(refused, 502, "upstream_refused")["detail"]
    await gateway.teli.switch(campaign_caller_id="any")
    await gateway.teli.arm("too_many_requests", operation="campaign_create")
    problem(await ask(tenant, caller_id, leads=LEADS[:1]), 503, "upstream_unavailable")

    await created(tenant, caller_id, leads=LEADS[:1])

    assert await dialled(gateway) == {"+14155550101": 1}
    assert await gateway.sql("SELECT state, attempt FROM campaigns") == [("running", 3)]


async def test_a_campaign_is_paused_and_ended_and_its_numbers_are_free_then(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    await gateway.follow_up()
    told = await created(tenant, caller_id, campaign_begin_time="2099-01-01T00:00:00Z")
    refused = problem(await tenant.send("DELETE", f"{NUMBERS}/{caller_id}"), 409, "state_conflict")
    assert refused["campaigns"] == ["spring 1"]

    paused = await tenant.send("POST", f"{CAMPAIGNS}/spring%201/pause")
    assert (paused.status_code, paused.json()["state"]) == (200, "paused"), paused.text
    assert (await tenant.get(f"{CAMPAIGNS}/spring%201")).json()["status"] == "paused"
    problem(await tenant.send("DELETE", f"{NUMBERS}/{caller_id}"), 409, "state_conflict")
    await gateway.teli.arm("html_error", operation="campaign_end")
    problem(await tenant.send("POST", f"{CAMPAIGNS}/spring%201/end"), 503, "upstream_unavailable")
    for _ in range(2):
        ended = await tenant.send("POST", f"{CAMPAIGNS}/spring%201/end")
        assert (ended.status_code, ended.json()["state"]) == (200, "ended"), ended.text

    released = await tenant.send("DELETE", f"{NUMBERS}/{caller_id}")
    assert released.status_code in (200, 202), released.text
    actions = [action for action, _, _ in await gateway.audited(told["id"])]
    assert [one for one in actions if "asked" not in one][-2:] == ["campaign.paused", "campaign.ended"]


async def test_the_worker_sees_when_a_campaign_is_over_or_gone_and_force_does_not_wait(
    gateway: Gateway, tenant: Tenant
):
    first, second, third = [(await tenant.bought())["phone_number"] for _ in range(3)]
    await gateway.follow_up()
    await created(tenant, first)
    await look(gateway)
    problem(await tenant.send("DELETE", f"{NUMBERS}/{first}"), 409, "state_conflict")
    await gateway.teli.advance(60)
    await look(gateway)
    assert await gateway.sql("SELECT state, progress->>'completed' FROM campaigns") == [("completed", "2")]
    assert (await tenant.send("DELETE", f"{NUMBERS}/{first}")).status_code in (200, 202)

    await created(tenant, second, campaign_id="summer")
    forced = await tenant.send("DELETE", f"{NUMBERS}/{second}", params={"force": "true"})
    assert forced.status_code in (200, 202), forced.text

    await created(tenant, third, campaign_id="gone", campaign_begin_time="2099-01-01T00:00:00Z")
    async with TeliClient(gateway.settings.teli_base_url, KEY) as direct:
        await direct.delete(f"{CAMPAIGNS}/gone")
    for _ in range(3):
        await look(gateway, later=2000)
    assert await gateway.sql("SELECT state FROM campaigns WHERE campaign_id = 'gone'") == [("gone",)]
    problem(await tenant.get(f"{CAMPAIGNS}/gone"), 404, "not_found")


async def test_a_release_and_a_campaign_from_one_number_never_both_go_through(open_gateway: OpenGateway):
    async with open_gateway() as gateway:
        tenant = await gateway.tenant()
        numbers = [(await tenant.bought())["phone_number"] for _ in range(6)]
        await gateway.follow_up()

        async def both(place: int, number: str) -> tuple[int, int]:
            campaign, release = await asyncio.gather(
                ask(tenant, number, campaign_id=f"c{place}"),
                tenant.send("DELETE", f"{NUMBERS}/{number}", headers={"Prefer": "wait=5"}),
            )
            return campaign.status_code, release.status_code

        outcomes = [await both(place, number) for place, number in enumerate(numbers)]

    for campaign, release in outcomes:
        assert (campaign, release) in ((200, 409), (400, 200), (400, 202)), outcomes


async def test_a_key_held_to_a_user_sees_that_users_campaigns_alone(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    await created(tenant, caller_id)
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, "somebody else", {"name": "Somebody"})
    issued = await gateway.services.administration.issue_key(
        AUTHOR, tenant.id, name="held", scopes=["campaigns:read", "campaigns:write", "numbers:release"],
        limits=KeyLimits(user_ids=("somebody else",)),
    )  # fmt: skip
    held = Tenant(gateway.http, tenant.id, issued.key)
    problem(await held.get(f"{CAMPAIGNS}/spring%201"), 404, "not_found")
    problem(await ask(held, caller_id, user_id=USER, campaign_id="x"), 403, "not_your_user")
    listed: Any = (await held.get(CAMPAIGNS, params={"organization_id": ORGANIZATION})).json()
    assert listed["count"] == 0
