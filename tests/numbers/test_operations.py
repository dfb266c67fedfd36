"""Operations: what a caller polls when an answer takes longer than it wants to wait."""

import asyncio
import time
from uuid import uuid4

from tests.support.gateway import Gateway, Tenant


async def test_a_purchase_is_pending_and_then_has_the_answer_the_caller_would_have_got(
    gateway: Gateway, tenant: Tenant
):
    await gateway.teli.hold("received")
    pending = await tenant.buy(prefer="respond-async", key="k")
    await gateway.teli.until_held()

    operation = await tenant.operation(pending.json()["operation_id"])
    assert {name: operation[name] for name in ("kind", "state", "intent_state", "number_id", "result", "problem")} == {
        "kind": "purchase",
        "state": "pending",
        "intent_state": "sending",
        "number_id": None,
        "result": None,
        "problem": None,
    }
    assert operation["created_at"].endswith("Z")
    assert operation["ended_at"] is None

    await gateway.teli.release_holds()
    operation = await tenant.operation(operation["id"], wait=5)
    assert (operation["state"], operation["intent_state"], operation["problem"]) == ("succeeded", "owned", None)
    assert operation["result"] == (await tenant.buy(key="k")).json()
    assert operation["number_id"] == operation["result"]["id"]
    assert operation["ended_at"]


async def test_a_refused_purchase_has_the_problem_the_caller_would_have_got(gateway: Gateway, tenant: Tenant):
    await gateway.teli.stock("313", 0)
    refused = await tenant.buy()
    assert refused.status_code == 409
    [(intent,)] = await gateway.sql("SELECT id FROM intents")

    operation = await tenant.operation(str(intent))

    assert (operation["state"], operation["result"], operation["problem"]) == ("failed", None, refused.json())


async def test_a_doubt_is_pending_and_what_a_person_must_decide_unresolved(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("reset", step="bought")
    doubt = await tenant.buy()
    assert doubt.status_code == 202
    operation_id = doubt.json()["operation_id"]

    operation = await tenant.operation(operation_id)
    assert (operation["state"], operation["intent_state"]) == ("pending", "doubtful")
    await gateway.sql("UPDATE intents SET state = 'unresolved'")
    assert (await tenant.operation(operation_id, wait=5))["state"] == "unresolved"


async def test_waiting_ends_when_the_outcome_is_known_or_the_time_is_over(gateway: Gateway, tenant: Tenant):
    await gateway.teli.hold("received")
    operation_id = (await tenant.buy(prefer="respond-async")).json()["operation_id"]
    await gateway.teli.until_held()

    began = time.monotonic()
    assert (await tenant.operation(operation_id, wait=0.3))["state"] == "pending"
    assert 0.3 <= time.monotonic() - began < 10
    waiting = asyncio.create_task(tenant.operation(operation_id, wait=30))
    await asyncio.sleep(0.1)
    await gateway.teli.release_holds()
    assert (await waiting)["state"] == "succeeded"
    assert time.monotonic() - began < 15


async def test_another_tenants_operation_is_the_same_404_as_none_at_all(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(inbound_agent_id="agent")
    push = (await gateway.step("push"))["id"]
    confirm = (await gateway.step("confirm"))["id"]
    stranger = await gateway.tenant(scopes=["numbers:read"])

    answers = [
        await stranger.get(f"/v1/operations/{one}", headers={"X-Request-ID": "same"})
        for one in (number["operation_id"], push, uuid4())
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    # Who may see the number may see what is done with it.
    assert (await gateway.operator.get(f"/v1/operations/{push}")).json()["kind"] == "update"
    # What nobody asked for is no operation, also not its own tenant's.
    assert (await tenant.get(f"/v1/operations/{confirm}")).status_code == 404


async def test_what_is_no_operations_id_or_wait_is_refused(tenant: Tenant):
    for path in ("/v1/operations/7", f"/v1/operations/{uuid4()}?wait=61", f"/v1/operations/{uuid4()}?wait=soon"):
        answer = await tenant.get(path)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (await tenant.get(f"/v1/operations/{uuid4()}?patience=1")).status_code == 400
