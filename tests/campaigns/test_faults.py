"""Whatever breaks on the way, a campaign is created once at most, and whoever asked learns what came of it."""

from typing import Any

import pytest

from service.campaigns.creating import Creation
from tests.campaigns.campaign import CAMPAIGNS, LEADS, ask, creates, dialled, look
from tests.http.refusals import problem
from tests.support.gateway import Gateway, Tenant

pytestmark = pytest.mark.usefixtures("patient_sends")
WINDOW = 900
# The fault, the step it strikes at, whether Teli dialled all the same.
AMBIGUOUS = [
    ("reset", "received", False),
    ("reset", "recorded", None),
    ("reset", "dialled", True),
    ("reset", "answering", True),
    ("html_error", "received", False),
    ("html_error", "answering", True),
    ("empty_body", "answering", True),
    ("cut_json", "answering", True),
    ("success_false", "answering", True),
]


async def settled(gateway: Gateway, tenant: Tenant, operation_id: str) -> dict[str, Any]:
    """The operation once the worker looked as often as it needs to, a settling window later."""
    await look(gateway)
    for _ in range(2):
        await look(gateway, later=WINDOW + 1)
    return await tenant.operation(operation_id)


@pytest.mark.parametrize(("fault", "step", "dials"), AMBIGUOUS)
async def test_a_create_whose_answer_is_lost_is_looked_up_and_never_repeated(
    gateway: Gateway, tenant: Tenant, fault: str, step: str, dials: bool | None
):
    caller_id = (await tenant.bought())["phone_number"]
    await gateway.teli.arm(fault, operation="campaign_create", step=step)
    answer = await ask(tenant, caller_id, prefer="wait=1")
    assert answer.status_code == 202, answer.text
    pending = answer.json()
    again = await ask(tenant, caller_id, prefer="respond-async")
    assert (again.status_code, again.json()["operation_id"]) == (202, pending["operation_id"])
    assert (await tenant.get(f"{CAMPAIGNS}/spring%201")).status_code == 202
    problem(await ask(tenant, caller_id, leads=LEADS[:1]), 409, "state_conflict")
    assert await gateway.sql("SELECT state FROM campaigns") == [("doubtful",)]

    operation = await settled(gateway, tenant, pending["operation_id"])

    replay = await ask(tenant, caller_id)
    assert await creates(gateway) == 1
    if dials is False:
        assert (operation["state"], operation["problem"]["code"]) == ("failed", "upstream_refused")
        problem(replay, 502, "upstream_refused")
        assert await dialled(gateway) == {}
    else:
        assert operation["state"] == "succeeded"
        assert (replay.status_code, replay.json()) == (200, operation["result"])
        assert replay.json()["contacts_count"] == len(LEADS)
        assert set((await dialled(gateway)).values()) <= {1}


async def test_an_answer_that_takes_too_long_is_a_202_and_is_heard_all_the_same(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    await gateway.teli.hold("dialled", operation="campaign_create")
    pending = await ask(tenant, caller_id, prefer="respond-async")
    assert pending.status_code == 202
    await gateway.teli.until_held()
    problem(await tenant.send("POST", f"{CAMPAIGNS}/spring%201/end"), 409, "state_conflict")
    await gateway.teli.release_holds()
    operation = await tenant.operation(pending.json()["operation_id"], wait=20)
    assert operation["state"] == "succeeded"
    assert (await creates(gateway), set((await dialled(gateway)).values())) == (1, {1})


@pytest.mark.parametrize("sent", [False, True])
async def test_a_process_that_dies_before_or_after_it_sent_leaves_what_the_worker_settles(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, *, sent: bool
):
    caller_id = (await tenant.bought())["phone_number"]
    send = Creation._send

    async def dies(self: Creation, caller: Any, campaign: Any, payload: Any, send_by: Any) -> None:
        if sent:
            await (await self._upstreams.of(campaign.account_id)).create_campaign(payload, send_by=send_by)

    monkeypatch.setattr(Creation, "_send", dies)
    pending = await ask(tenant, caller_id, prefer="respond-async")
    assert pending.status_code == 202
    if sent:
        for _ in range(100):
            if await dialled(gateway):
                break
    monkeypatch.setattr(Creation, "_send", send)
    await gateway.worker.campaigns.following.run((await gateway.sql("SELECT id FROM accounts"))[0][0])
    assert await gateway.sql("SELECT state FROM campaigns") == [("sending",)]

    operation = await settled(gateway, tenant, pending.json()["operation_id"])

    assert operation["state"] == ("succeeded" if sent else "failed")
    replay = await ask(tenant, caller_id)
    assert replay.status_code == (200 if sent else 502)
    assert await creates(gateway) == int(sent)
    assert set((await dialled(gateway)).values()) <= {1}


async def test_a_look_that_teli_does_not_answer_proves_nothing(gateway: Gateway, tenant: Tenant):
    caller_id = (await tenant.bought())["phone_number"]
    await gateway.teli.arm("reset", operation="campaign_create", step="dialled")
    pending = (await ask(tenant, caller_id, prefer="wait=1")).json()
    await gateway.teli.arm("html_error", 4, operation="campaign_get")
    for _ in range(4):
        await look(gateway, later=WINDOW + 1)
    assert await gateway.sql("SELECT state, absences FROM campaigns") == [("doubtful", 0)]

    await look(gateway)

    assert (await tenant.operation(pending["operation_id"]))["state"] == "succeeded"
    assert await creates(gateway) == 1


async def test_proof_that_comes_after_a_campaign_was_given_up_is_kept(gateway: Gateway, tenant: Tenant):
    from service.campaigns.models import Campaign
    from service.teli.campaigns import Created

    caller_id = (await tenant.bought())["phone_number"]
    await gateway.teli.arm("reset", operation="campaign_create", step="received")
    pending = (await ask(tenant, caller_id, prefer="wait=1")).json()
    assert (await settled(gateway, tenant, pending["operation_id"]))["state"] == "failed"
    async with gateway.worker.database.acting() as session:
        campaign = await session.get_one(Campaign, pending["operation_id"])
    settling = gateway.services.campaigns.creation._settling
    told = Created({"contacts_count": 2}).told
    await settling.created(campaign, told, {}, tenant.id, how="answer")

    assert (await tenant.operation(pending["operation_id"]))["state"] == "succeeded"
