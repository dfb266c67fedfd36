"""update-agent: the ledger first, then Teli, for as long as it takes."""

import asyncio
from typing import Any

import httpx
import pytest

from service.observability.metrics import ALARMS
from tests.conftest import OpenGateway
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant

AGENT, OTHER = "agent_0123456789abcdef0123456789", "agent_abc123"


async def change(tenant: Tenant, number: dict[str, Any], prefer: str | None = None, **body: Any) -> httpx.Response:
    headers = {"X-Request-ID": "change-1"} | ({"Prefer": prefer} if prefer else {})
    return await tenant.send("POST", f"{NUMBERS}/{number['phone_number']}/update-agent", json=body, headers=headers)


async def upstream(gateway: Gateway, number: dict[str, Any]) -> tuple[str | None, str | None, str]:
    """Inbound, outbound and nickname at Teli, the nickname without its mark."""
    rows = (await gateway.teli.truth())["record"]["rows"]
    [row] = [row for row in rows if row["phone_number"] == number["phone_number"]]
    nickname = row["nickname"] or ""
    return row["inbound_agent_id"], row["outbound_agent_id"], nickname[16:] if nickname.startswith("[") else nickname


async def links(gateway: Gateway, number: dict[str, Any]) -> dict[str, tuple[str | None, str | None, str]]:
    """Desired, confirmed and state of each link."""
    rows = await gateway.sql(
        "SELECT direction, desired, confirmed, state FROM agent_links WHERE number_id = :id", id=number["id"]
    )
    return {direction: (desired, confirmed, state) for direction, desired, confirmed, state in rows}


async def test_an_agent_is_linked_and_the_answer_is_telis_with_only_what_changed(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")

    answer = await change(tenant, number, inbound_agent_id=AGENT)

    assert answer.status_code == 200, answer.text
    step = await gateway.step("push")
    assert answer.json() == {
        "success": True,
        "phone_number": number["phone_number"],
        "message": "Phone number updated",
        "inbound_agent_id": AGENT,
        "powered_by": "Teli",
        "id": number["id"],
        "state": "active",
        "operation_id": step["id"],
    }
    assert await upstream(gateway, number) == (AGENT, None, "Sales")
    assert await links(gateway, number) == {"inbound": (AGENT, AGENT, "confirmed")}
    operation = await tenant.operation(step["id"])
    assert (operation["kind"], operation["state"], operation["result"]) == ("update", "succeeded", answer.json())


async def test_each_change_has_one_author_and_one_event(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")

    await change(tenant, number, nickname="Desk", outbound_agent_id=AGENT)

    [entry] = await gateway.sql(
        'SELECT action, actor, request_id, tenant_id, before, "after" FROM audit'
        " WHERE object_id = :id AND action = 'number.changed'",
        id=number["id"],
    )
    [(key,)] = await gateway.sql("SELECT id FROM api_keys WHERE tenant_id = :id", id=tenant.id)
    assert entry == (
        "number.changed",
        f"key:{key}",
        "change-1",
        tenant.id,
        {"nickname": "Sales", "outbound_agent_id": None},
        {"nickname": "Desk", "outbound_agent_id": AGENT},
    )
    assert (await gateway.told(number["id"])) == ["number.acquired", "number.changed", "number.confirmed"]


async def test_several_at_once_absent_keeps_and_null_or_nothing_clears(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()

    for body, stands in (
        ({"inbound_agent_id": AGENT, "outbound_agent_id": OTHER, "nickname": "Desk"}, (AGENT, OTHER, "Desk")),
        ({"nickname": "Front desk"}, (AGENT, OTHER, "Front desk")),
        ({"inbound_agent_id": ""}, (None, OTHER, "Front desk")),
        ({"outbound_agent_id": None, "inbound_agent_id": OTHER}, (OTHER, None, "Front desk")),
        ({"nickname": ""}, (OTHER, None, "")),
        ({"inbound_agent_id": None}, (None, None, "")),
    ):
        answer = await change(tenant, number, **body)

        assert answer.status_code == 200, answer.text
        shown = {name: value or None for name, value in body.items()}
        assert {name: answer.json().get(name, "absent") for name in shown} == shown
        assert not {"inbound_agent_id", "outbound_agent_id", "nickname"} - set(body) & set(answer.json())
        assert await upstream(gateway, number) == stands


async def test_agent_ids_of_every_form_go_through_as_they_are(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    known = await gateway.teli.agent("your_tenant", name="Agent")
    forms = ["1762896366429x599348279945132448", "8e6a0a52-3f0d-4f0e-8d6b-1f1c2a3b4c5d", "агент 7", "x" * 128]
    forms += [known[name] for name in ("agent_id", "unique_id", "voice_agent_id") if name in known]

    for form in forms:
        answer = await change(tenant, number, inbound_agent_id=form)

        assert answer.status_code == 200, answer.text
        assert (await upstream(gateway, number))[0] == form


async def test_what_teli_would_refuse_or_a_mark_is_refused_here_and_nothing_is_sent(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.forget_requests()

    for body in (
        {},
        {"agent_id": AGENT},
        {"nickname": "[0123456789ABC] Sales"},
        {"nickname": "  [0123456789abc]"},
        {"nickname": "x" * 101},
        {"inbound_agent_id": "x" * 129},
        {"inbound_agent_id": 7},
        {"outbound_agent_id": "a\u0000b"},
        {"nickname": "\u202eevil"},
    ):
        answer = await change(tenant, number, **body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), body
    assert await gateway.teli.requests() == []
    assert await gateway.sql("SELECT nickname FROM numbers") == [(None,)]


async def test_unknown_fields_are_ignored_and_named(tenant: Tenant):
    number = await tenant.bought()

    answer = await change(tenant, number, nickname="Desk", agent_id=AGENT)

    assert answer.status_code == 200
    assert any("agent_id" in warning for warning in answer.json()["warnings"])


async def test_an_unknown_outcome_is_an_operation_that_succeeds_later(gateway: Gateway, tenant: Tenant):
    for fault in ("server_error", "html_error", "reset", "too_many_requests", "cut_json"):
        number = await tenant.bought()
        await gateway.follow_up()
        await gateway.teli.arm(fault, operation="update_agent")

        answer = await change(tenant, number, inbound_agent_id=AGENT, nickname="Desk")

        assert answer.status_code == 202, (fault, answer.text)
        operation_id = answer.json()["operation_id"]
        assert answer.headers["location"] == f"/v1/operations/{operation_id}"
        assert answer.json() == {"success": False, "pending": True, "operation_id": operation_id, "state": "pending"}
        assert (await links(gateway, number))["inbound"] == (AGENT, None, "pending")
        assert await gateway.sql("SELECT nickname FROM numbers WHERE id = :id", id=number["id"]) == [("Desk",)]
        assert (await tenant.operation(operation_id))["state"] == "pending"

        await gateway.hurry()

        operation = await tenant.operation(operation_id)
        assert operation["state"] == "succeeded"
        assert (operation["result"]["inbound_agent_id"], operation["result"]["nickname"]) == (AGENT, "Desk")
        assert await upstream(gateway, number) == (AGENT, None, "Desk")
        assert (await links(gateway, number))["inbound"] == (AGENT, AGENT, "confirmed")


async def test_a_slow_teli_is_waited_for_as_long_as_the_caller_likes_and_then_listened_to_on(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("slow", operation="update_agent", seconds=0.4)

    answer = await change(tenant, number, prefer="respond-async", inbound_agent_id=AGENT)

    assert answer.status_code == 202
    operation = await tenant.operation(answer.json()["operation_id"], wait=5)
    assert operation["state"] == "succeeded"
    assert len(await gateway.teli.requests("update_agent")) == 1


async def test_what_teli_refuses_is_told_and_wanted_no_longer(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")
    await gateway.follow_up()
    assert (await change(tenant, number, inbound_agent_id=AGENT)).status_code == 200
    await gateway.teli.switch(agent_ids="known")

    answer = await change(tenant, number, inbound_agent_id=OTHER, nickname="Desk")

    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_refused")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "agent not found" in answer.json()["detail"]
    assert "bought" not in answer.json()["detail"]
    assert answer.json()["request_id"] == "change-1"
    assert (await links(gateway, number))["inbound"] == (OTHER, AGENT, "refused")
    assert await gateway.sql("SELECT nickname FROM numbers") == [("Sales",)]
    operation = await tenant.operation((await gateway.step("push"))["id"])
    assert (operation["state"], operation["problem"]) == ("failed", answer.json())
    assert (await gateway.audited(number["id"]))[-1][0] == "number.change_refused"
    assert (await gateway.told(number["id"]))[-1] == "number.change_refused"
    listed = await tenant.get(NUMBERS, params={"user_id": USER, "organization_id": ORGANIZATION})
    assert listed.json()["phone_numbers"][0]["inbound_agent_id"] == AGENT

    assert (await change(tenant, number, nickname="Support")).status_code == 200
    assert await upstream(gateway, number) == (AGENT, None, "Support")


async def test_a_validation_error_of_telis_framework_is_a_refusal_too(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.teli.arm("server_error", operation="update_agent", status=422, error="no")

    answer = await change(tenant, number, inbound_agent_id=AGENT)

    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_refused")


async def test_linking_an_agent_leaves_a_nickname_alone_that_a_person_gave(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(nickname="Sales")
    await gateway.teli.dashboard_rename(number["phone_number"], "Mine")
    await gateway.follow_up()

    assert (await change(tenant, number, inbound_agent_id=AGENT)).status_code == 200
    assert await upstream(gateway, number) == (AGENT, None, "Mine")

    assert (await change(tenant, number, nickname="Desk")).status_code == 200
    assert await upstream(gateway, number) == (AGENT, None, "Desk")


async def test_a_404_is_tried_again_for_minutes_and_then_left_to_a_person(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.dashboard_release(number["phone_number"])

    answer = await change(tenant, number, inbound_agent_id=AGENT)

    assert answer.status_code == 202
    for _ in range(8):
        assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "pending"
        await gateway.hurry()
    assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "unresolved"
    assert (await links(gateway, number))["inbound"] == (AGENT, None, "pending")


async def gone_and_sold_anew(gateway: Gateway, tenant: Tenant) -> dict[str, Any]:
    """A number without its mark, given back in the dashboard, seen to be gone, and what Teli sells next."""
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.hurry()
    await gateway.look_everywhere()
    await gateway.teli.switch(recycle_released=True)
    await gateway.teli.dashboard_release(number["phone_number"])
    await gateway.teli.stock("313", 0)
    await gateway.look_everywhere()
    await gateway.teli.forget_requests()
    return number


@pytest.mark.parametrize("told", [True, False])
async def test_a_change_never_reaches_the_line_of_whoever_bought_the_number_anew(
    gateway: Gateway, tenant: Tenant, told: bool
):
    number = await gone_and_sold_anew(gateway, tenant)
    other = await gateway.tenant()
    if not told:
        await gateway.teli.arm("reset", step="answering")
    bought = await other.buy(prefer="wait=2")
    assert bought.status_code == 202, bought.text
    before = ALARMS.labels("change_not_found")._value.get()

    answer = await change(tenant, number, nickname="Mine", inbound_agent_id=AGENT)

    assert answer.status_code == 202, answer.text
    operation_id = answer.json()["operation_id"]
    # What is no listing is no look.
    await gateway.teli.arm("server_error", 3, operation="list")
    for _ in range(3 + 8):
        await gateway.hurry()
        assert (await tenant.operation(operation_id))["state"] == "pending"
    await gateway.hurry()
    assert (await tenant.operation(operation_id))["state"] == "unresolved"
    assert (await gateway.step("push"))["outcome"] == "its row is not listed alone"
    assert ALARMS.labels("change_not_found")._value.get() == before + 1
    assert await gateway.teli.requests("update_agent") == []
    await gateway.look_everywhere()
    theirs = await other.operation(bought.json()["operation_id"])
    assert (theirs["state"], theirs["result"]["phone_number"]) == ("succeeded", number["phone_number"])


async def test_a_number_whose_row_was_left_out_of_a_listing_is_looked_for_before_it_is_changed(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.look_everywhere()
    await gateway.teli.forget_requests()
    assert (await change(tenant, number, nickname="Before")).status_code == 200
    assert [request["operation"] for request in await gateway.teli.requests()] == ["update_agent"]
    await gateway.teli.arm("list_omits", operation="list")
    await gateway.look_everywhere()
    await gateway.teli.forget_requests()

    answer = await change(tenant, number, inbound_agent_id=AGENT, nickname="Desk")
    assert (answer.status_code, await gateway.teli.requests()) == (202, [])
    await gateway.follow_up()

    assert [request["operation"] for request in await gateway.teli.requests()] == ["list", "update_agent"]
    assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "succeeded"
    assert await upstream(gateway, number) == (AGENT, None, "Desk")


async def test_before_its_row_was_seen_a_number_in_question_gets_no_agents(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(list_lag_seconds=60)
    number = await tenant.bought()
    await gateway.sql(
        "INSERT INTO orphans (account_id, organization_id, phone_number, reason)"
        " SELECT account_id, organization_id, phone_number, 'late_proof' FROM numbers"
    )

    answer = await change(tenant, number, inbound_agent_id=AGENT)
    await gateway.hurry()
    assert (answer.status_code, await upstream(gateway, number)) == (202, (None, None, ""))

    await gateway.teli.advance(61)
    await gateway.hurry()
    assert await upstream(gateway, number) == (None, None, "")

    await gateway.sql("UPDATE orphans SET state = 'ignored'")
    await gateway.hurry()
    assert (await tenant.operation(answer.json()["operation_id"]))["state"] == "succeeded"
    assert await upstream(gateway, number) == (AGENT, None, "")


async def test_the_mark_of_another_purchase_is_not_taken_off_while_the_old_row_is_slow_to_vanish(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.switch(recycle_released=True, removal_lag_seconds=600)
    await gateway.teli.dashboard_release(number["phone_number"])
    await gateway.teli.stock("313", 0)
    other = await gateway.tenant()
    await gateway.teli.arm("reset", step="answering")
    bought = await other.buy(prefer="wait=2")
    assert bought.status_code == 202, bought.text

    await gateway.hurry()

    assert (await gateway.step("unmark"))["outcome"] == "its row is not listed alone"
    assert await gateway.teli.requests("update_agent") == []
    await gateway.look_everywhere()
    assert (await other.operation(bought.json()["operation_id"]))["state"] == "succeeded"


async def test_a_mark_whose_time_comes_while_a_release_is_undecided_is_taken_off_when_the_number_is_kept(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought(nickname="Sales")
    await gateway.follow_up()
    await gateway.teli.arm("server_error", operation="release", status=404, error="Phone number not found")
    assert (await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")).status_code == 202
    await gateway.hurry()
    step = await gateway.step("unmark")
    assert (step["state"], step["outcome"]) == ("waiting", "it is releasing")

    decision = {"decision": "still_ours", "reason": "seen in the dashboard"}
    answer = await gateway.operator.send("POST", f"/v1/admin/ghosts/{number['id']}/resolve", json=decision)
    assert answer.status_code == 200, answer.text
    await gateway.hurry()

    assert (await gateway.step("unmark"))["outcome"] == "mark taken off"
    assert await gateway.sql("SELECT marked, upstream_nickname FROM numbers") == [(False, "Sales")]


async def test_agents_given_at_create_are_linked_after_the_purchase(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(inbound_agent_id=AGENT, outbound_agent_id=OTHER)

    await gateway.hurry()

    assert (await upstream(gateway, number))[:2] == (AGENT, OTHER)
    assert await links(gateway, number) == {
        "inbound": (AGENT, AGENT, "confirmed"),
        "outbound": (OTHER, OTHER, "confirmed"),
    }


async def test_a_purchase_stands_although_its_agents_can_never_be_linked(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("server_error", operation="update_agent", times=1000)

    number = await tenant.bought(inbound_agent_id=AGENT, key="k")
    for _ in range(5):
        await gateway.hurry()

    operation = await tenant.operation(number["operation_id"])
    assert (operation["state"], operation["result"]["id"]) == ("succeeded", number["id"])
    assert await gateway.sql("SELECT state, confirmed_at IS NOT NULL FROM numbers") == [("active", True)]
    assert (await links(gateway, number))["inbound"] == (AGENT, None, "pending")
    assert (await gateway.step("push"))["state"] == "waiting"
    assert (await tenant.buy(inbound_agent_id=AGENT, key="k")).json() == number


async def test_an_agent_refused_after_the_purchase_does_not_hold_up_a_rename(gateway: Gateway, tenant: Tenant):
    await gateway.teli.switch(agent_ids="known")
    number = await tenant.bought(inbound_agent_id=AGENT)

    answer = await change(tenant, number, nickname="Desk")
    await gateway.hurry()

    assert answer.status_code == 200, answer.text
    assert await upstream(gateway, number) == (None, None, "Desk")
    assert (await links(gateway, number))["inbound"] == (AGENT, None, "refused")


async def test_of_two_changes_in_a_row_the_last_one_stands_upstream_whatever_happened_to_the_first(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("reset", operation="update_agent", step="answering")

    first = await change(tenant, number, inbound_agent_id=AGENT, nickname="One")
    second = await change(tenant, number, inbound_agent_id=OTHER, nickname="Two")
    await gateway.hurry()

    assert (first.status_code, second.status_code) == (202, 200)
    assert await upstream(gateway, number) == (OTHER, None, "Two")
    assert (await links(gateway, number))["inbound"] == (OTHER, OTHER, "confirmed")
    assert (await tenant.operation(first.json()["operation_id"]))["state"] == "succeeded"


async def test_a_change_while_another_is_on_its_way_comes_after_it(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.hold("received", operation="update_agent")
    first = asyncio.create_task(change(tenant, number, inbound_agent_id=AGENT))
    await gateway.teli.until_held()

    second = asyncio.create_task(change(tenant, number, inbound_agent_id=OTHER))
    while len(await gateway.sql("SELECT id FROM steps WHERE kind = 'push'")) < 2:
        await asyncio.sleep(0.02)
    assert (await links(gateway, number))["inbound"] == (OTHER, None, "pending")
    await gateway.teli.release_holds()

    assert [(await one).status_code for one in (first, second)] == [200, 200]
    assert (await upstream(gateway, number))[0] == OTHER
    assert (await links(gateway, number))["inbound"] == (OTHER, OTHER, "confirmed")
    assert len(await gateway.teli.requests("update_agent")) == 2


async def test_twenty_changes_at_once_leave_ledger_and_teli_agreed(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()

    answers = await asyncio.gather(*(change(tenant, number, inbound_agent_id=f"agent-{n}") for n in range(20)))
    await gateway.hurry()

    assert {answer.status_code for answer in answers} <= {200, 202}
    desired, confirmed, state = (await links(gateway, number))["inbound"]
    assert (confirmed, state) == (desired, "confirmed")
    assert (await upstream(gateway, number))[0] == desired


async def test_a_number_that_is_being_released_cannot_be_changed(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("voice_provider_fails")
    assert (await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")).status_code == 202

    answer = await change(tenant, number, nickname="Desk")
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")

    await gateway.hurry()
    answer = await change(tenant, number, nickname="Desk")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_change_not_yet_told_to_teli_ends_when_the_number_is_released(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await gateway.teli.arm("server_error", operation="update_agent")
    pending = (await change(tenant, number, nickname="Desk")).json()
    assert (await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")).status_code == 200

    await gateway.hurry()

    operation = await tenant.operation(pending["operation_id"])
    assert (operation["state"], operation["problem"]["code"]) == ("failed", "state_conflict")
    assert len(await gateway.teli.requests("update_agent")) == 1


async def test_another_tenants_number_is_the_same_404_as_none_at_all(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    stranger = await gateway.tenant()

    foreign = await change(stranger, number, nickname="Mine")
    unknown = await change(stranger, {"phone_number": "+13135550000"}, nickname="Mine")

    assert foreign.status_code == 404
    assert foreign.content == unknown.content
    assert await gateway.sql("SELECT nickname FROM numbers") == [(None,)]


async def test_a_key_without_the_scope_changes_nothing(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    reader = Tenant(gateway.http, tenant.id, gateway.operator.key)

    answer = await change(reader, number, nickname="Mine")

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def test_a_dead_process_leaves_a_change_that_the_worker_takes_up(open_gateway: OpenGateway):
    async with open_gateway() as gateway:
        tenant = await gateway.tenant()
        number = await tenant.bought()
        await gateway.follow_up()
        await gateway.teli.hold("received", operation="update_agent")
        dying = await change(tenant, number, prefer="respond-async", inbound_agent_id=AGENT)
        await gateway.teli.until_held()

        await gateway.sql("UPDATE steps SET lease_until = clock_timestamp() WHERE state = 'running'")
        await gateway.follow_up()

        assert (await tenant.operation(dying.json()["operation_id"]))["state"] == "succeeded"
        await gateway.teli.release_holds()
