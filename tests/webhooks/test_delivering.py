"""Endpoints that fail, are slow, dead or gone, and workers that die: nothing is lost, and nobody else waits."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from service.observability.metrics import WEBHOOKS_DISABLED, WEBHOOKS_FAILING
from service.outbox.catalogue import EVENTS
from service.outbox.numbering import Numbering
from service.webhooks.circuit import OPENS_AFTER
from service.webhooks.delivering import Delivering
from service.webhooks.repository import wake
from service.webhooks.sending import Line, Sender
from service.webhooks.targets import Targets
from tests.http.refusals import problem
from tests.support.gateway import Gateway, Tenant
from tests.webhooks.desk import (
    ENDPOINTS,
    NUMBER_DATA,
    a_number,
    as_tenant,
    changed,
    deliver,
    deliveries,
    found,
    happen,
    hurry,
    made,
    pass_time,
)
from tests.webhooks.receiver import Receiver

DEAD = "http://127.0.0.1:9/hook"


def another(gateway: Gateway) -> Delivering:
    """Another worker."""
    services = gateway.worker
    return Delivering(services.database, services.webhooks._sender, services.webhooks._keyring)


async def test_what_fails_holds_up_what_comes_after_of_the_same_number_and_nothing_else(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    hooks.answers["hook"] = lambda event: 500 if event["sequence"] == 2 else 200
    one, other = a_number(), a_number()
    await happen(gateway, tenant, one, other, one, other, other)
    await deliver(gateway)
    assert sorted(hooks.sequences()) == [1, 2, 3]
    await happen(gateway, tenant, other, one)
    await deliver(gateway)
    assert sorted(hooks.sequences()) == [1, 2, 3, 7]

    hooks.answers.clear()
    await hurry(gateway)
    theirs = [one.event for one in hooks.told["hook"] if one.event["data"]["number_id"] == other]
    assert [event["sequence"] for event in theirs] == [2, 2, 4, 5, 6]
    assert theirs[0]["id"] == theirs[1]["id"]
    assert {one["state"] for one in await deliveries(tenant, endpoint)} == {"delivered"}


async def test_a_dead_endpoint_is_asked_now_and_then_and_told_everything_once_it_answers(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    hooks.answers["hook"] = lambda _: 503
    numbers = [a_number() for _ in range(30)]
    await happen(gateway, tenant, *numbers)
    await deliver(gateway)
    assert OPENS_AFTER <= len(hooks.told["hook"]) <= OPENS_AFTER + 8
    failing = await found(tenant, endpoint)
    assert failing["failing_since"]
    assert failing["next_try_at"]
    await gateway.worker.delivering.measure()
    assert WEBHOOKS_FAILING._value.get() == 1

    # What is new does not wake it, and when its time has come it is sent one event, the oldest.
    before = len(hooks.told["hook"])
    await happen(gateway, tenant, *numbers)
    await deliver(gateway)
    assert len(hooks.told["hook"]) == before
    await hurry(gateway)
    assert hooks.sequences()[before:] == [1]

    hooks.answers.clear()
    hooks.told.clear()
    await hurry(gateway)
    assert sorted(hooks.sequences()) == list(range(1, 61))
    for number in numbers:
        places = [one.event["sequence"] for one in hooks.told["hook"] if one.event["data"]["number_id"] == number]
        assert places == sorted(places)
        assert len(places) == 2
    healthy = await found(tenant, endpoint)
    assert (healthy["failing_since"], healthy["next_try_at"]) == (None, None)
    await gateway.worker.delivering.measure()
    assert WEBHOOKS_FAILING._value.get() == 0


async def test_one_dead_and_one_slow_endpoint_delay_no_other(
    gateway: Gateway, tenant: Tenant, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
):
    await made(tenant, DEAD)
    await made(tenant, hooks.url("slow"))
    await made(tenant, hooks.url("good"))
    hooks.slow["slow"] = 30
    await happen(gateway, tenant, *(a_number() for _ in range(40)))
    await gateway.worker.delivering.run()
    async with asyncio.timeout(20):
        while len(hooks.told["good"]) < 40:
            await asyncio.sleep(0.05)
    assert hooks.told["slow"] == []
    assert hooks.most_at_once["slow"] <= 8
    for task in gateway.worker.delivering._turns:
        task.cancel()
    await gateway.worker.delivering.rest()


async def test_however_many_hang_those_that_answer_have_places_of_their_own(
    gateway: Gateway, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.webhooks.delivering.PLACES", {True: 2, False: 3})
    monkeypatch.setattr("service.webhooks.circuit.SLOW", 0.4)
    tenants = [await gateway.tenant() for _ in range(12)]
    hanging, good = tenants[:8], tenants[8:]
    for tenant in tenants:
        await made(tenant, hooks.url(tenant.id))
    # All were seen to answer, the hanging ones too, until now.
    await gateway.sql("UPDATE webhook_endpoints SET slow_until = NULL")
    hooks.slow |= {tenant.id: 0.5 for tenant in hanging}
    for tenant in hanging:
        await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert all(len(hooks.told[tenant.id]) == 1 for tenant in hanging)

    hooks.slow |= {tenant.id: 60 for tenant in hanging}
    for tenant in (*hanging, *good):
        await happen(gateway, tenant, a_number(), a_number())
    delivering = gateway.worker.delivering
    async with asyncio.timeout(12):
        while any(len(hooks.told[tenant.id]) < 2 for tenant in good):
            await delivering.run()
            await asyncio.sleep(0.02)
        while len([tenant for tenant in hanging if hooks.at_once[tenant.id]]) < 2:
            await asyncio.sleep(0.02)
    assert len([tenant for tenant in hanging if hooks.at_once[tenant.id]]) == 2
    assert list(delivering._turns.values()).count(True) == 2
    for task in delivering._turns:
        task.cancel()
    await delivering.rest()


async def test_an_endpoint_is_slow_until_it_was_seen_to_answer_for_a_while(
    gateway: Gateway, tenant: Tenant, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("service.webhooks.circuit.SLOW", 0.4)
    slow = "SELECT slow_until > clock_timestamp() FROM webhook_endpoints"
    await made(tenant, hooks.url())
    assert await gateway.sql(slow) == [(True,)]
    await gateway.sql("UPDATE webhook_endpoints SET slow_until = clock_timestamp()")
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert await gateway.sql(slow) == [(False,)]
    hooks.slow["hook"] = 0.5
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert await gateway.sql(slow) == [(True,)]


async def test_an_endpoint_whose_name_hangs_is_slow_too(
    gateway: Gateway, tenant: Tenant, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
):
    async def hang(hostname: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        raise AssertionError

    await made(tenant, hooks.url().replace("127.0.0.1", "localhost"))
    await gateway.sql("UPDATE webhook_endpoints SET slow_until = NULL")
    monkeypatch.setattr("service.webhooks.targets.RESOLVED_WITHIN", 0.5)
    monkeypatch.setattr("service.webhooks.circuit.SLOW", 0.4)
    monkeypatch.setattr(gateway.worker.delivering._sender, "targets", Targets(resolve=hang))
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert await gateway.sql("SELECT slow_until > clock_timestamp() FROM webhook_endpoints") == [(True,)]


async def test_turns_leave_connections_to_whatever_else_the_worker_does(gateway: Gateway, hooks: Receiver):
    tenants = [await gateway.tenant() for _ in range(20)]
    for tenant in tenants:
        await made(tenant, hooks.url(tenant.id))
        await happen(gateway, tenant, *(a_number() for _ in range(5)))
    pool, most = gateway.worker.database.engine.pool, 0
    await gateway.worker.delivering.run()
    while gateway.worker.delivering._turns:
        most = max(most, pool.checkedout())  # type: ignore[attr-defined]
        await asyncio.sleep(0)
    assert most == gateway.worker.database.pool // 2
    assert all(len(hooks.told[tenant.id]) == 5 for tenant in tenants)


async def test_what_nobody_foresaw_counts_as_a_failure_and_comes_to_an_end(
    gateway: Gateway, tenant: Tenant, hooks: Receiver, monkeypatch: pytest.MonkeyPatch
):
    async def resolve(hostname: str, port: int) -> Sequence[str]:
        raise ZeroDivisionError

    endpoint = await made(tenant, hooks.url())
    # As one stands that was filed before its like was refused.
    await as_tenant(gateway, tenant, "UPDATE webhook_endpoints SET url = 'https://hooks.example/'")
    monkeypatch.setattr(gateway.worker.delivering._sender, "targets", Targets(resolve=resolve))
    await happen(gateway, tenant, a_number())
    with capture_logs() as logs:
        await deliver(gateway)
    assert "failed unforeseen" in [one["event"] for one in logs]
    [waiting] = await deliveries(tenant, endpoint)
    assert (waiting["state"], waiting["attempts"], waiting["status"]) == ("waiting", 1, None)
    assert (await found(tenant, endpoint))["failing_since"] is not None

    await pass_time(gateway, 3.1)
    await hurry(gateway)
    assert (await found(tenant, endpoint))["disabled_because"] == "failing"


async def test_an_endpoint_that_failed_for_three_days_is_disabled_and_the_tenant_hears_of_it(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    watching = await made(tenant, hooks.url("watching"), types=["webhook.*"])
    hooks.answers["hook"] = lambda _: 500
    await happen(gateway, tenant, a_number(), a_number())
    await deliver(gateway)
    await pass_time(gateway, 2.9)
    await hurry(gateway)
    assert (await found(tenant, endpoint))["state"] == "active"
    before = WEBHOOKS_DISABLED.labels("failing")._value.get()
    await pass_time(gateway, 0.2)
    with capture_logs() as logs:
        await hurry(gateway)

    disabled = await found(tenant, endpoint)
    assert (disabled["state"], disabled["disabled_because"]) == ("disabled", "failing")
    assert "a webhook endpoint was disabled" in [one["event"] for one in logs]
    assert WEBHOOKS_DISABLED.labels("failing")._value.get() == before + 1
    await happen(gateway, tenant)
    await deliver(gateway)
    [notice] = [one.event for one in hooks.told["watching"]]
    EVENTS["webhook.disabled"].model_validate(notice["data"])
    assert (notice["data"]["endpoint_id"], notice["data"]["reason"]) == (endpoint["id"], "failing")
    assert ("webhook.disabled", "worker") in await gateway.sql("SELECT action, actor FROM audit")
    assert watching["id"] != endpoint["id"]

    # Nothing is lost: what it was not told waits, and what happens meanwhile too.
    hooks.answers.clear()
    hooks.told.clear()
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert hooks.told["hook"] == []
    path = f"{ENDPOINTS}/{endpoint['id']}/redeliver"
    problem(await tenant.send("POST", path, json={"since": "2026-01-01T00:00:00Z"}), 409, "state_conflict")
    await changed(tenant, endpoint, state="active")
    await deliver(gateway)
    assert {1, 2, 4} <= set(hooks.sequences())


async def test_an_event_that_alone_is_refused_for_three_days_is_given_up_and_its_number_goes_on(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    hooks.answers["hook"] = lambda event: 422 if event["sequence"] == 1 else 200
    number = a_number()
    await happen(gateway, tenant, number, number, a_number())
    await deliver(gateway)
    assert 2 not in hooks.sequences()
    await pass_time(gateway, 3.1)
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    await hurry(gateway)
    assert [one["state"] for one in await deliveries(tenant, endpoint)] == [
        "given_up", "delivered", "delivered", "delivered",
    ]  # fmt: skip
    assert (await found(tenant, endpoint))["state"] == "active"


async def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    hooks.answers["hook"] = lambda _: 410
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    assert (await found(tenant, endpoint))["disabled_because"] == "gone"


async def test_what_a_worker_had_in_hand_when_it_died_is_sent_again_by_another_with_the_same_ids(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    await made(tenant, hooks.url())
    await happen(gateway, tenant, *(a_number() for _ in range(5)))
    hooks.slow["hook"] = 0.3
    dying = another(gateway)
    await dying.run()
    while len(hooks.told["hook"]) < 5:
        await asyncio.sleep(0.02)
    for task in dying._turns:
        task.cancel()
    await dying.rest()
    hooks.slow.clear()
    await deliver(gateway)
    assert len(hooks.told["hook"]) == 5, "it is still the other's"

    await gateway.sql("UPDATE webhook_endpoints SET leased_until = clock_timestamp() - interval '1 second'")
    await deliver(gateway)
    ids: dict[int, set[str]] = {}
    for one in hooks.told["hook"]:
        ids.setdefault(one.event["sequence"], set()).add(one.event["id"])
    assert ids.keys() == {1, 2, 3, 4, 5}
    assert all(len(found) == 1 for found in ids.values())


class SlowToHangUp(Sender):
    """Its first connection is not closed before `may_hang_up`."""

    def __init__(self, targets: Targets) -> None:
        super().__init__(targets)
        self.may_hang_up = asyncio.Event()
        self._lines = 0

    @asynccontextmanager
    async def line(self, url: str, secrets: Sequence[str]) -> AsyncIterator[Line]:
        self._lines += 1
        is_first = self._lines == 1
        async with super().line(url, secrets) as line:
            yield line
            if is_first:
                await self.may_hang_up.wait()


async def test_a_turn_begun_while_the_one_before_still_hangs_up_is_waited_for_too(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    services = gateway.worker
    sender = SlowToHangUp(services.webhooks._sender.targets)
    delivering = Delivering(services.database, sender, services.webhooks._keyring)
    await happen(gateway, tenant, a_number())
    await delivering.run()
    [first] = delivering._turns
    async with asyncio.timeout(20):
        while await gateway.sql("SELECT 1 FROM webhook_endpoints WHERE lease IS NOT NULL"):
            await asyncio.sleep(0.01)

    await happen(gateway, tenant, a_number())
    hooks.slow["hook"] = 0.5
    await delivering.run()
    assert len(delivering._turns) == 2
    sender.may_hang_up.set()
    await first
    await delivering.finish()

    assert [one["state"] for one in await deliveries(tenant, endpoint)] == ["delivered", "delivered"]


async def test_what_is_being_numbered_while_a_turn_comes_to_its_end_is_told_without_another_event(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    await made(tenant, hooks.url())
    await happen(gateway, tenant, a_number())
    await deliver(gateway)

    async def amid(session: AsyncSession, tenants: Collection[str]) -> None:
        await wake(session, tenants)
        turn = asyncio.create_task(deliver(gateway))
        await asyncio.wait({turn}, timeout=1)

    numbering = Numbering(gateway.worker.database, kept=timedelta(days=1), heard=amid)
    await gateway.sql("UPDATE webhook_endpoints SET due_at = clock_timestamp()")
    await gateway.sql(
        "INSERT INTO outbox (tenant_id, kind, number_id, payload)"
        f" VALUES (:tenant, 'number.releasing', gen_random_uuid(), '{NUMBER_DATA}')",
        tenant=tenant.id,
    )
    await numbering.number()
    await deliver(gateway)

    assert hooks.sequences() == [1, 2]


async def test_several_workers_share_endpoints_and_each_event_is_sent_once_and_in_order(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    names = [f"hook-{place}" for place in range(6)]
    for name in names:
        await made(tenant, hooks.url(name))
    numbers = [a_number() for _ in range(5)]
    workers = [gateway.worker.delivering, another(gateway), another(gateway)]
    going = True

    async def work(delivering: Delivering) -> None:
        while going:
            await delivering.run()
            await asyncio.sleep(0.01)
        await delivering.finish()

    working = [asyncio.create_task(work(one)) for one in workers]
    for _ in range(10):
        await happen(gateway, tenant, *numbers)
    async with asyncio.timeout(60):
        while not all(len(hooks.told[name]) >= 50 for name in names):
            await asyncio.sleep(0.05)
    going = False
    await asyncio.gather(*working)

    for name in names:
        assert sorted(hooks.sequences(name)) == list(range(1, 51))
        for number in numbers:
            places = [one.event["sequence"] for one in hooks.told[name] if one.event["data"]["number_id"] == number]
            assert all(earlier < later for earlier, later in pairwise(places))


async def test_an_address_that_is_no_longer_allowed_is_sent_nothing_and_told_of_in_the_log(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    await as_tenant(gateway, tenant, "UPDATE webhook_endpoints SET url = 'http://10.0.0.1:9/'")
    await happen(gateway, tenant, a_number())
    await deliver(gateway)
    [delivery] = await deliveries(tenant, endpoint)
    assert (delivery["state"], delivery["status"]) == ("waiting", None)
    assert "not of the Internet" in delivery["error"]


async def test_deliveries_are_forgotten_with_their_events(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint = await made(tenant, hooks.url())
    await happen(gateway, tenant, *(a_number() for _ in range(4)))
    await deliver(gateway)
    await gateway.sql("UPDATE outbox SET published_at = published_at - interval '31 days' WHERE seq <= 3")
    await gateway.worker.numbering.prune()
    await gateway.worker.delivering.prune()
    assert [one["sequence"] for one in await deliveries(tenant, endpoint)] == [4]


async def test_an_endpoint_deleted_under_way_ends_its_turn(gateway: Gateway, tenant: Tenant, hooks: Receiver):
    endpoint: dict[str, Any] = await made(tenant, hooks.url())
    hooks.slow["hook"] = 0.3
    await happen(gateway, tenant, *(a_number() for _ in range(3)))
    await gateway.worker.delivering.run()
    await asyncio.sleep(0.05)
    assert (await tenant.send("DELETE", f"{ENDPOINTS}/{endpoint['id']}")).status_code == 204
    await gateway.worker.delivering.rest()
    assert await gateway.sql("SELECT count(*) FROM webhook_deliveries") == [(0,)]


async def under_way(gateway: Gateway, hooks: Receiver) -> None:
    """A turn whose first round has begun to be answered; `hooks` answers slowly."""
    await gateway.worker.delivering.run()
    async with asyncio.timeout(20):
        while not hooks.at_once["hook"]:
            await asyncio.sleep(0.01)


async def test_another_url_and_another_secret_hold_from_the_next_event_on_though_a_turn_is_under_way(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    hooks.slow["hook"] = 0.5
    number = a_number()
    await happen(gateway, tenant, number, number)
    await under_way(gateway, hooks)
    await happen(gateway, tenant, number, number)
    path = f"{ENDPOINTS}/{endpoint['id']}/rotate"
    secret = (await tenant.send("POST", path, json={"overlap_seconds": 0})).json()["secret"]
    await changed(tenant, endpoint, url=hooks.url("new"))
    await gateway.worker.delivering.rest()
    await deliver(gateway)

    assert hooks.sequences() == [1, 2]
    assert hooks.sequences("new") == [3, 4]
    for one in hooks.told["new"]:
        one.check(secret)


async def test_what_failed_at_the_url_before_is_no_failure_of_the_new_one(
    gateway: Gateway, tenant: Tenant, hooks: Receiver
):
    endpoint = await made(tenant, hooks.url())
    hooks.slow["hook"], hooks.answers["hook"] = 0.5, lambda _: 410
    await happen(gateway, tenant, a_number())
    await under_way(gateway, hooks)
    await changed(tenant, endpoint, url=hooks.url("new"))
    await gateway.worker.delivering.rest()
    await deliver(gateway)

    assert hooks.sequences("new") == [1]
    now = await found(tenant, endpoint)
    assert (now["state"], now["failing_since"]) == ("active", None)
