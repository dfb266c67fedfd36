"""Lanes and send slots: who may send when, over all replicas, and what a wait ends in."""

import asyncio
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.conftest import OpenGateway
from tests.numbers.ledger import busy_slots, check, intents, use_marks
from tests.numbers.sql_calls import Send, connect
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant


async def add_user(gateway: Gateway, user: str, *, exclusive: bool = False) -> None:
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, user, {"name": user, "exclusive": exclusive})


async def until_waiting(gateway: Gateway, waiters: int) -> None:
    async with asyncio.timeout(5):
        while (await gateway.sql("SELECT count(*) FROM send_queue"))[0][0] < waiters:
            await asyncio.sleep(0.01)


async def sent_nicknames(gateway: Gateway) -> list[str]:
    """The nicknames of all creates, without their marks, as they arrived."""
    return [request["body"]["nickname"].partition("] ")[2] for request in await gateway.teli.requests("create")]


def most_at_once(requests: list[dict[str, object]]) -> int:
    """The most creates that were under way at one moment."""
    moments = [(str(one["received_at"]), 1) for one in requests] + [(str(one["ended_at"]), -1) for one in requests]
    under_way = most = 0
    for _, change in sorted(moments):
        under_way += change
        most = max(most, under_way)
    return most


async def test_a_lane_has_one_send_at_a_time_on_two_replicas(open_gateway: OpenGateway):
    async with open_gateway() as gateway, open_gateway() as elsewhere:
        tenant = await gateway.tenant()
        there = Tenant(elsewhere.http, tenant.id, tenant.key)
        await gateway.teli.switch(latency_ms={"create": 30})

        answers = await asyncio.gather(*(one.buy() for one in (tenant, there) for _ in range(8)))

        assert {answer.status_code for answer in answers} == {200}
        assert most_at_once(await gateway.teli.requests("create")) == 1
        assert await gateway.sql("SELECT * FROM send_queue") == []
        await check(gateway)


async def test_first_come_first_served(gateway: Gateway, tenant: Tenant):
    await gateway.teli.hold("answering")
    buying = [asyncio.create_task(tenant.buy(nickname="0"))]
    await gateway.teli.until_held()
    for place in range(1, 9):
        buying.append(asyncio.create_task(tenant.buy(nickname=str(place))))
        await until_waiting(gateway, place)
    await gateway.teli.release_holds()

    answers = await asyncio.gather(*buying)

    assert {answer.status_code for answer in answers} == {200}
    assert await sent_nicknames(gateway) == [str(place) for place in range(9)]


async def test_first_come_first_served_over_two_replicas(open_gateway: OpenGateway):
    async with open_gateway() as gateway, open_gateway() as elsewhere:
        tenant = await gateway.tenant()
        there = Tenant(elsewhere.http, tenant.id, tenant.key)
        await gateway.teli.hold("answering")
        buying = [asyncio.create_task(tenant.buy(nickname="0"))]
        await gateway.teli.until_held()
        for place in range(1, 9):
            buying.append(asyncio.create_task((tenant, there)[place % 2].buy(nickname=str(place))))
            await until_waiting(gateway, place)
        await gateway.teli.release_holds()
        await asyncio.gather(*buying)

        assert await sent_nicknames(gateway) == [str(place) for place in range(9)]


async def test_who_waits_too_long_is_told_the_lane_is_busy_and_leaves_no_place_behind(open_gateway: OpenGateway):
    async with open_gateway(answer_within=0.4) as gateway:
        tenant = await gateway.tenant(quota=5)
        await gateway.teli.hold("answering")
        held = asyncio.create_task(tenant.buy())
        await gateway.teli.until_held()
        began = time.monotonic()

        answers = await asyncio.gather(*(tenant.buy(key=f"k{number}") for number in range(3)))

        assert 0.3 < time.monotonic() - began < 5
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "lane_busy")}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
        assert await gateway.sql("SELECT * FROM send_queue") == []
        assert await intents(gateway, tenant) == ["sending"]
        await gateway.teli.release_holds()
        await held
        assert (await tenant.buy(key="k0")).status_code == 200  # Nothing was kept of the key.


async def test_who_is_refused_while_waiting_leaves_no_place_behind(open_gateway: OpenGateway):
    """A place that stayed would hold up every other replica for as long as anybody waits here."""
    async with open_gateway() as gateway:
        tenant = await gateway.tenant(quota=1)
        await gateway.teli.hold("answering")
        held = asyncio.create_task(tenant.buy())
        await gateway.teli.until_held()
        waiting = [asyncio.create_task(tenant.buy(key=f"k{number}")) for number in range(3)]
        await until_waiting(gateway, 3)
        await gateway.teli.release_holds()

        assert (await held).status_code == 200
        assert {answer.json()["code"] for answer in await asyncio.gather(*waiting)} == {"quota_exceeded"}
        assert await gateway.sql("SELECT * FROM send_queue") == []

        other = await gateway.tenant()
        await gateway.teli.hold("answering")
        held = asyncio.create_task(other.buy())
        await gateway.teli.until_held()
        waiting = [asyncio.create_task(other.buy())]
        await until_waiting(gateway, 1)
        await gateway.sql("INSERT INTO stops (scope, reason, actor) VALUES ('global', 'test', 'test')")
        await gateway.teli.release_holds()

        assert (await held).status_code == 200
        assert (await waiting[0]).json()["code"] == "purchases_stopped"
        assert await gateway.sql("SELECT * FROM send_queue") == []


async def test_users_do_not_hold_one_another_up(gateway: Gateway, tenant: Tenant):
    users = [f"user-{number}" for number in range(10)]
    for user in users:
        await add_user(gateway, user)
    await tenant.bought()
    await gateway.teli.hold("answering", times=11)

    buying = [asyncio.create_task(tenant.buy(user_id=user)) for user in (USER, *users)]
    await gateway.teli.until_held(11)
    await gateway.teli.release_holds()

    assert {answer.status_code for answer in await asyncio.gather(*buying)} == {200}


async def test_an_exclusive_users_doubt_holds_its_lane_and_others_doubts_hold_nothing(open_gateway: OpenGateway):
    async with open_gateway(answer_within=0.4) as gateway:
        tenant = await gateway.tenant()
        await add_user(gateway, "exclusive", exclusive=True)
        await gateway.teli.arm("html_error", times=2)
        for user in ("exclusive", USER):
            assert (await tenant.buy(user_id=user)).status_code == 202

        assert (await tenant.buy(user_id="exclusive", key="k1")).json()["code"] == "lane_busy"
        assert (await tenant.buy(user_id=USER, key="k2")).status_code == 200

        await gateway.sql("UPDATE intents SET state = 'unresolved', holds_lane = false WHERE user_id = 'exclusive'")
        assert (await tenant.buy(user_id="exclusive", key="k3")).status_code == 200


@pytest.mark.usefixtures("patient_sends")
async def test_with_marks_a_user_buys_as_much_at_once_as_there_are_slots(gateway: Gateway, tenant: Tenant):
    await use_marks(gateway)
    await gateway.teli.hold("answering", times=100)

    buying = [asyncio.create_task(tenant.buy(nickname=str(number))) for number in range(66)]
    await gateway.teli.until_held(64)
    await until_waiting(gateway, 2)
    assert await busy_slots(gateway) == 64
    assert len(await gateway.teli.holds()) == 64
    await gateway.teli.release_holds((await gateway.teli.holds())[0]["request_id"])
    async with asyncio.timeout(60):
        while (await gateway.teli.counts())["creates"] < 65:
            await asyncio.sleep(0.01)
    assert await busy_slots(gateway) == 64
    await gateway.teli.disarm()
    await gateway.teli.release_holds()

    answers = await asyncio.gather(*buying)
    assert {answer.status_code for answer in answers} == {200}
    assert await busy_slots(gateway) == 0
    await check(gateway)


async def test_waiters_leave_lane_mode_as_soon_as_a_mark_was_seen(gateway: Gateway, tenant: Tenant):
    await gateway.teli.hold("answering", times=4)
    buying = [asyncio.create_task(tenant.buy()) for _ in range(4)]
    await gateway.teli.until_held(1)
    await until_waiting(gateway, 3)

    await use_marks(gateway)

    await gateway.teli.until_held(4)
    await gateway.teli.release_holds()
    assert {answer.status_code for answer in await asyncio.gather(*buying)} == {200}


async def test_a_replica_that_died_holds_up_the_queue_for_three_seconds_at_most(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    [(account,)] = await gateway.sql("SELECT id::text FROM accounts")
    await gateway.teli.hold("answering")
    held = asyncio.create_task(tenant.buy())
    await gateway.teli.until_held()
    dead = Send(tenant.id, account)
    api = await connect(database_url, "numbergate_api")
    assert (await dead.admit(api))["outcome"] == "busy"
    await api.close()
    waiting: asyncio.Task[httpx.Response] = asyncio.create_task(tenant.buy())
    await until_waiting(gateway, 2)
    began = time.monotonic()
    await gateway.teli.release_holds()
    await held

    assert (await waiting).status_code == 200
    assert 1.0 < time.monotonic() - began < 9


async def test_a_slot_whose_sender_died_is_free_when_its_lease_is_over(
    gateway: Gateway, tenant: Tenant, database_url: str
):
    await use_marks(gateway)
    [(account,)] = await gateway.sql("SELECT id::text FROM accounts")
    api = await connect(database_url, "numbergate_api")
    sends = [Send(tenant.id, account, lease=60 if number else -1) for number in range(64)]
    for send in reversed(sends):
        assert (await send.admit(api))["outcome"] == "admitted"
    assert (await Send(tenant.id, account).admit(api))["outcome"] == "admitted"
    assert (await Send(tenant.id, account).admit(api))["outcome"] == "busy"
    await api.close()


async def test_three_replicas_with_more_buyers_than_slots_serve_everybody(open_gateway: OpenGateway):
    async with AsyncExitStack() as stack:
        gateways = [await stack.enter_async_context(open_gateway()) for _ in range(3)]
        await use_marks(gateways[0])
        tenant = await gateways[0].tenant()
        replicas = [Tenant(gateway.http, tenant.id, tenant.key) for gateway in gateways]

        async def sold(number: int) -> None:
            # On a machine that is very busy a send may miss its deadline, and a purchase a free connection to the
            # ledger; nobody may wait for a place in vain.
            while (answer := await replicas[number % 3].buy()).status_code != 200:
                assert answer.json()["code"] in ("upstream_unavailable", "storage_unavailable"), answer.text

        await asyncio.gather(*(sold(number) for number in range(120)))

        assert most_at_once(await gateways[0].teli.requests("create")) <= 64
        await check(gateways[0])
