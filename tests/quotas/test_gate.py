"""Never over quota, with whatever Redis does; and what the gate in Redis may and may not say."""

import asyncio
import time
from typing import Any

import pytest

from service.kit.crypto import Secret
from service.kit.types import TenantId
from service.kv import KeyValue
from service.quotas.gate import Entry, Gate
from service.tenants.principals import Rate
from tests.conftest import SECRET, Engines, OpenGateway
from tests.numbers.ledger import check, quota, use_marks
from tests.support.gateway import Gateway, Tenant
from tests.support.wire import Wire


async def test_without_redis_purchases_go_on_replays_come_from_postgres_and_the_quota_holds(
    open_gateway: OpenGateway,
):
    async with Wire("redis://127.0.0.1:1") as nobody:
        await nobody.down()
        async with open_gateway(redis_url=nobody.url) as gateway:
            await use_marks(gateway)
            tenant = await gateway.tenant(quota=10)

            answers = await asyncio.gather(*(tenant.buy(key=f"k{number}") for number in range(20)))
            again = await asyncio.gather(*(tenant.buy(key=f"k{number}") for number in range(20)))

            statuses = [answer.status_code for answer in answers]
            assert (statuses.count(200), statuses.count(429)) == (10, 10)
            assert [answer.content for answer in again if answer.status_code == 200] == [
                answer.content for answer in answers if answer.status_code == 200
            ]
            assert (await gateway.teli.counts())["bought"] == 10
            ready = await gateway.http.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            await check(gateway)


async def test_a_redis_that_goes_silent_costs_half_a_second_and_not_every_request(open_gateway: OpenGateway, engines):
    async with Wire(engines.valkey.url) as wire, open_gateway(redis_url=wire.url) as gateway:
        tenant = await gateway.tenant()
        await use_marks(gateway)
        await tenant.bought()
        wire.mute = True
        began = time.monotonic()

        for _ in range(3):
            await tenant.bought()

        assert time.monotonic() - began < 2.5


@pytest.mark.usefixtures("patient_sends")
async def test_a_redis_flushed_every_100_ms_lets_nobody_over_and_loses_no_answer(open_gateway: OpenGateway):
    async with open_gateway() as gateway, open_gateway() as elsewhere:
        await use_marks(gateway)
        tenant = await gateway.tenant(quota=60)
        there = Tenant(elsewhere.http, tenant.id, tenant.key)

        async def flush() -> None:
            while True:
                await gateway.flush_redis()
                await asyncio.sleep(0.1)

        async def buy(number: int) -> list[tuple[int, bytes]]:
            found = []
            for attempt in range(3):
                answer = await (tenant, there)[(number + attempt) % 2].buy(key=f"k{number}")
                found.append((answer.status_code, answer.content))
            return found

        flushing = asyncio.create_task(flush())
        try:
            found = await asyncio.gather(*(buy(number) for number in range(120)))
        finally:
            flushing.cancel()

        sold = [answers for answers in found if answers[0][0] == 200]
        assert all(len(set(answers)) == 1 for answers in sold)
        # A machine that is busy may take longer to admit than a send may wait: that key was refused, and nothing sent.
        assert {status for answers in found for status, _ in answers} <= {200, 429, 503}
        assert await quota(gateway, tenant) == (60, 0)
        assert (await gateway.teli.counts())["bought"] == 60
        await check(gateway)


@pytest.mark.every_redis
async def test_a_tenant_found_full_is_refused_by_redis_alone_and_let_in_as_soon_as_something_is_freed(
    gateway: Gateway,
):
    await use_marks(gateway)
    tenant = await gateway.tenant(quota=1)
    await gateway.teli.hold("received")
    await gateway.teli.arm("server_error", status=400, step="answering")
    first = await tenant.buy(key="first", prefer="respond-async")
    assert first.status_code == 202
    assert (await tenant.buy()).status_code == 429
    before = gateway.services.database.round_trips

    refused = [await tenant.buy() for _ in range(5)]

    assert {answer.json()["code"] for answer in refused} == {"quota_exceeded"}
    assert refused[0].json()["quota"] == {
        "limit_name": "numbers_held", "scope": "tenant", "scope_id": tenant.id, "limit": 1, "used": 0, "reserved": 1,
        "asked": 1, "resets_at": None,
    }  # fmt: skip
    assert gateway.services.database.round_trips - before <= 3  # The version row is looked at meanwhile.
    await gateway.teli.release_holds()
    assert (await tenant.operation(first.json()["operation_id"], wait=5))["state"] == "failed"
    async with asyncio.timeout(0.5):  # Sooner than the note would be gone by itself.
        while (await tenant.buy()).status_code == 429:
            await asyncio.sleep(0.01)


@pytest.mark.every_redis
async def test_a_keyed_request_is_never_refused_by_redis_alone(gateway: Gateway):
    tenant = await gateway.tenant(quota=1)
    first = await tenant.buy(key="k")
    assert (await tenant.buy()).status_code == 429
    async with gateway.redis() as redis:
        for name in [key async for key in redis.scan_iter("ng:*:answer:*")]:
            await redis.delete(name)

    again = await tenant.buy(key="k")

    assert (again.status_code, again.content) == (200, first.content)


@pytest.mark.every_redis
@pytest.mark.parametrize("note", [b"", b"nonsense", b"[]", b"{}", b'{"limit": "x", "used": 0, "reserved": 0}', b"\xff"])
async def test_a_note_that_cannot_be_read_is_no_refusal(gateway: Gateway, tenant: Tenant, note: bytes):
    async with gateway.redis() as redis:
        await redis.set(f"ng:{{{tenant.id}}}:full", note)

    assert (await tenant.buy()).status_code == 200


async def test_a_client_that_fails_by_its_own_fault_is_as_good_as_no_redis(
    gateway: Gateway, engines: Engines, caplog: pytest.LogCaptureFixture
):
    tenant = await gateway.tenant(quota=0)
    assert (await tenant.buy()).status_code == 429
    kv = KeyValue.open(f"{engines.valkey.url}?foo=bar")
    gate = Gate(kv, Secret(SECRET), replicas=4)

    found = await asyncio.gather(*(gate.enter(TenantId(tenant.id), None, None) for _ in range(3)))
    await gate.freed(TenantId(tenant.id))
    away = kv.away
    await kv.close()

    assert found == [Entry()] * 3
    assert away
    told = [record.getMessage() for record in caplog.records if record.name == "service.kv"]
    assert told == ["redis is away: TypeError"]


async def test_answers_are_read_alike_whatever_the_url_says_of_decoding(gateway: Gateway, engines: Engines):
    tenant = await gateway.tenant(quota=0)
    assert (await tenant.buy()).status_code == 429
    kv = KeyValue.open(f"{engines.valkey.url}?decode_responses=true")

    found = await Gate(kv, Secret(SECRET), replicas=4).enter(TenantId(tenant.id), None, None)
    await kv.close()

    assert found.full is not None


@pytest.mark.parametrize(
    "answer",
    [None, 1, True, [1], [1, 1], [1, b""], [1, b"nan"], [1, b"x"], [2, b"1"], [b"go", b"", [1, b"x"]], [b"go", b"", 1],
     "go", b"go", [], {}, [None], ["full", "{}"], [b"full"], [b"full", "{}"], [b"full", None],
     [b"answer"], [b"answer", "text" * 20], [b"answer", 1], [b"answer", b""], [b"answer", b"x", b"y"]],
)  # fmt: skip
async def test_an_answer_of_redis_that_is_not_what_the_script_says_is_no_answer(answer: Any):
    rate = Rate(8, 8)

    class Says(KeyValue):
        async def run(self, question: Any) -> Any:
            return answer

    kv = Says.open("redis://127.0.0.1:1")

    gate = Gate(kv, Secret(SECRET), replicas=4)
    assert await gate.enter(TenantId("t"), "k", None) == Entry()
    # Nor does it let anything through: this process's own count does.
    turns = [(await gate.enter(TenantId("t"), "k", rate)).turn, await gate.count(TenantId("t"), rate)]
    assert [turn and (turn.granted, turn.rate.burst) for turn in turns] == [(True, 2), (True, 2)]
    assert not (await gate.count(TenantId("t"), rate)).granted
    await kv.close()


@pytest.mark.every_redis
async def test_a_raised_limit_is_felt_at_once(gateway: Gateway):
    tenant = await gateway.tenant(quota=0)
    assert (await tenant.buy()).status_code == 429
    assert (await tenant.buy()).status_code == 429
    await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}/quotas", json={"numbers_held": 1})

    assert (await tenant.buy()).status_code == 200


async def test_a_limit_lowered_below_use_sells_nothing_and_takes_nothing(gateway: Gateway):
    tenant = await gateway.tenant(quota=2)
    await tenant.bought()
    await tenant.bought()
    await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}/quotas", json={"numbers_held": 1})

    assert (await tenant.buy()).json()["quota"]["limit"] == 1
    assert await quota(gateway, tenant) == (2, 0)


async def test_two_hundred_buyers_a_limit_of_50_lowered_midway_on_three_replicas(open_gateway: OpenGateway):
    async with open_gateway() as one, open_gateway() as two, open_gateway() as three:
        await use_marks(one)
        tenant = await one.tenant(quota=50)
        replicas = [Tenant(gateway.http, tenant.id, tenant.key) for gateway in (one, two, three)]

        async def lower() -> None:
            await asyncio.sleep(0.1)
            await one.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}/quotas", json={"numbers_held": 45})

        lowering = asyncio.create_task(lower())
        answers = await asyncio.gather(*(replicas[number % 3].buy() for number in range(200)))
        await lowering

        # A machine that is busy may take longer to admit than a send may wait.
        while any(answer.status_code == 503 for answer in answers):
            answers = [answer if answer.status_code != 503 else await replicas[0].buy() for answer in answers]
        sold = sum(answer.status_code == 200 for answer in answers)
        assert 45 <= sold <= 50
        assert {answer.status_code for answer in answers} == {200, 429}
        assert (await one.teli.counts())["bought"] == sold
        assert await quota(one, tenant) == (sold, 0)
        await check(one)
