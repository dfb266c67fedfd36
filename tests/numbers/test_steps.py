"""Steps: one of a number at a time, by whoever holds the lease."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from service.kit.errors import StorageUnavailable
from service.kit.types import TenantId
from service.numbers.models import Step
from service.numbers.repository import Numbers
from service.numbers.steps import LEASE, LONGEST_PAUSE, Done, Later, Steps, owe
from tests.support.gateway import NUMBERS, Gateway, Tenant


async def owed(gateway: Gateway, number: dict[str, Any], *kinds: str) -> list[UUID]:
    tenant = (await gateway.sql("SELECT tenant_id FROM numbers WHERE id = :id", id=number["id"]))[0][0]
    async with gateway.worker.database.acting() as session:
        return [await owe(session, tenant, UUID(number["id"]), kind) for kind in kinds]


async def lapse(gateway: Gateway, step: Step) -> None:
    await gateway.sql("UPDATE steps SET lease_until = clock_timestamp() - interval '1 s' WHERE id = :id", id=step.id)


async def test_of_one_number_only_one_step_runs_at_a_time(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.follow_up()
    await owed(gateway, number, "push", "push", "push", "push")
    workers = [Steps(gateway.worker.database) for _ in range(4)]

    claims = await asyncio.gather(*(worker.claim(limit=10) for worker in workers))

    [claimed] = [step for claim in claims for step in claim]
    assert await workers[0].claim(limit=10) == []
    await workers[0].close(claimed, Done("done"))
    assert len(await workers[0].claim(limit=10)) == 1


async def test_steps_of_different_numbers_run_side_by_side(gateway: Gateway, tenant: Tenant):
    for _ in range(3):
        await tenant.bought()

    assert len(await Steps(gateway.worker.database).claim(limit=10)) == 3


async def test_when_a_lease_is_over_another_takes_the_step_and_the_first_can_end_it_no_more(
    gateway: Gateway, tenant: Tenant
):
    await tenant.bought()
    steps = Steps(gateway.worker.database)
    [first] = await steps.claim()
    await lapse(gateway, first)
    [second] = await steps.claim()

    await steps.close(first, Done("by the first"))
    await steps.close(first, Later("by the first"))

    assert (second.id, second.tries) == (first.id, 2)
    step = await gateway.step("confirm")
    assert (step["state"], step["outcome"], step["lease_until"] is None) == ("running", None, False)
    assert await steps.about_to_send(first, None) is None
    assert await steps.about_to_send(second, None) is not None
    await steps.close(second, Done("by the second"))
    assert (await gateway.step("confirm"))["outcome"] == "by the second"


async def test_a_step_whose_lease_is_over_comes_before_others_of_its_number_however_many_wait(
    gateway: Gateway, tenant: Tenant
):
    number = await tenant.bought()
    await gateway.follow_up()
    await owed(gateway, number, "push")
    steps = Steps(gateway.worker.database)
    [abandoned] = await steps.claim()
    waiting = await owed(gateway, number, "push", "push")
    await gateway.sql("UPDATE steps SET due_at = due_at - interval '1 h' WHERE id = ANY (:ids)", ids=waiting)
    await lapse(gateway, abandoned)

    assert [step.id for step in await steps.claim(limit=1)] == [abandoned.id]


async def test_beginning_to_send_renews_the_lease(gateway: Gateway, tenant: Tenant):
    await tenant.bought()
    steps = Steps(gateway.worker.database)
    [step] = await steps.claim()
    await gateway.sql("UPDATE steps SET lease_until = clock_timestamp() + interval '1 s'")

    send_by = await steps.about_to_send(step, None)

    assert send_by is not None
    assert not send_by.passed()
    [(left,)] = await gateway.sql("SELECT extract(epoch FROM lease_until - clock_timestamp())::float FROM steps")
    assert LEASE - 5 < left <= LEASE


async def test_what_fails_unforeseen_is_logged_and_put_off_never_lost(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    await tenant.bought()

    async def fails(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(gateway.worker.upstreams.default, "list_numbers", fails)
    with capture_logs() as logs:
        await gateway.follow_up()
    monkeypatch.undo()

    assert [entry["event"] for entry in logs] == ["a step failed unforeseen"]
    step = await gateway.step("confirm")
    assert (step["state"], step["outcome"]) == ("waiting", "failed unforeseen")
    await gateway.hurry()
    assert (await gateway.step("confirm"))["state"] == "done"


async def test_what_the_ledger_could_not_answer_is_a_warning_and_put_off(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    await tenant.bought()

    async def fails(*_: Any, **__: Any) -> Any:
        raise StorageUnavailable

    monkeypatch.setattr(Numbers, "get", fails)
    with capture_logs() as logs:
        await gateway.follow_up()
    monkeypatch.undo()

    [entry] = logs
    assert (entry["log_level"], entry["why"]) == ("warning", str(StorageUnavailable()))
    assert "exc_info" not in entry
    assert (await gateway.step("confirm"))["state"] == "waiting"
    await gateway.hurry()
    assert (await gateway.step("confirm"))["state"] == "done"


async def test_pauses_grow_and_are_bounded(gateway: Gateway, tenant: Tenant):
    await tenant.bought()
    steps = Steps(gateway.worker.database)
    pauses: list[float] = []
    for _ in range(14):
        [step] = await steps.claim()
        await steps.close(step, Later("not yet"))
        [(pause,)] = await gateway.sql("SELECT extract(epoch FROM due_at - clock_timestamp())::float FROM steps")
        pauses.append(pause)
        await gateway.sql("UPDATE steps SET due_at = clock_timestamp()")

    rounded = [round(pause) for pause in pauses]
    assert rounded == sorted(rounded)
    assert pauses[0] < 2
    assert LONGEST_PAUSE - 5 < pauses[-1] <= LONGEST_PAUSE


async def test_a_tenant_claims_only_steps_of_its_own(gateway: Gateway, tenant: Tenant):
    await tenant.bought()
    step_id = UUID((await gateway.step("confirm"))["id"])
    stranger = await gateway.tenant()
    steps = Steps(gateway.services.database)

    assert await steps.claim(step_id=step_id, tenant=TenantId(stranger.id)) == []
    assert len(await steps.claim(step_id=step_id, tenant=TenantId(tenant.id))) == 1


async def test_a_request_waits_for_its_turn_while_another_step_of_the_number_runs(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought()
    await gateway.teli.arm("slow", operation="list", seconds=0.5)
    confirming = asyncio.create_task(gateway.follow_up())
    await asyncio.sleep(0.2)

    answer = await tenant.send("DELETE", f"{NUMBERS}/{number['phone_number']}")

    assert answer.status_code == 200, answer.text
    await confirming
    assert (await gateway.teli.counts())["held"] == 0
