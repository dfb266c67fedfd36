"""Without a key: a plain client that was not told, and asks again, is told; and whatever else it asks for it buys."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.http.serving import served
from tests.numbers.ledger import check, intents, quota, use_marks
from tests.numbers.test_lanes import until_waiting
from tests.support.gateway import Gateway, Tenant


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    async with open_gateway() as opened:
        await use_marks(opened)
        yield opened


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """Connections that can be cut."""
    async with (
        served(gateway) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client,
    ):
        yield client


@pytest.fixture
async def tenant(gateway: Gateway, http: httpx.AsyncClient) -> Tenant:
    issued = await gateway.tenant()
    return Tenant(http, issued.id, issued.key)


async def open_answers(gateway: Gateway) -> int:
    return int((await gateway.sql("SELECT count(*) FROM intents WHERE undelivered_at IS NOT NULL"))[0][0])


async def until_open(gateway: Gateway, count: int) -> None:
    async with asyncio.timeout(15):
        while await open_answers(gateway) != count:
            await asyncio.sleep(0.01)


async def until_states(gateway: Gateway, tenant: Tenant, *states: str) -> None:
    async with asyncio.timeout(15):
        while await intents(gateway, tenant) != list(states):
            await asyncio.sleep(0.01)


async def hang_up(asking: "asyncio.Task[httpx.Response]") -> None:
    """Cut the connection over which an answer is waited for."""
    asking.cancel()
    await asyncio.wait({asking})


async def left(gateway: Gateway, tenant: Tenant, **fields: Any) -> None:
    """Its create is held at Teli, and its connection gone."""
    await gateway.teli.hold("received")
    asking = asyncio.create_task(tenant.buy(**fields))
    await gateway.teli.until_held()
    await hang_up(asking)


async def pending(gateway: Gateway, tenant: Tenant) -> str:
    """A purchase that was answered by a 202 and is made by now; its operation."""
    await gateway.teli.hold("received")
    answer = await tenant.buy(prefer="respond-async")
    assert answer.status_code == 202, answer.text
    assert "joined" not in answer.json()
    await gateway.teli.until_held()
    await gateway.teli.release_holds()
    operation_id: str = answer.json()["operation_id"]
    assert (await tenant.operation(operation_id, wait=10))["state"] == "succeeded"
    return operation_id


async def bought_anew(gateway: Gateway, tenant: Tenant, **fields: Any) -> None:
    before = (await gateway.teli.counts())["bought"]
    assert "joined" not in await tenant.bought(**fields)
    assert (await gateway.teli.counts())["bought"] == before + 1


async def test_a_retry_after_a_202_takes_that_purchase_over_once(gateway: Gateway, tenant: Tenant):
    operation_id = await pending(gateway, tenant)

    answer = await tenant.buy()

    assert answer.status_code == 200
    assert answer.json() == (await tenant.operation(operation_id))["result"] | {"joined": True}
    assert "idempotent-replayed" not in answer.headers
    assert (await gateway.teli.counts())["bought"] == 1
    await bought_anew(gateway, tenant)


async def test_a_retry_after_a_cut_connection_waits_for_the_send_that_is_under_way(gateway: Gateway, tenant: Tenant):
    await left(gateway, tenant)
    await until_open(gateway, 1)

    retry = asyncio.create_task(tenant.buy())
    await until_open(gateway, 0)
    assert await intents(gateway, tenant) == ["sending"]
    await gateway.teli.release_holds()

    answer = await retry
    assert (answer.status_code, answer.json()["joined"]) == (200, True)
    assert (await gateway.teli.counts())["bought"] == 1
    await check(gateway)


async def test_a_retry_after_a_cut_connection_gets_the_answer_that_nobody_heard(gateway: Gateway, tenant: Tenant):
    await left(gateway, tenant)
    await until_open(gateway, 1)
    await gateway.teli.release_holds()
    await until_states(gateway, tenant, "owned")

    answer = await tenant.buy()

    assert (answer.status_code, answer.json()["joined"]) == (200, True)
    assert (await gateway.teli.counts())["bought"] == 1


async def test_a_caller_that_leaves_while_it_waits_for_its_lane_is_admitted_and_taken_over(
    gateway: Gateway, tenant: Tenant
):
    await gateway.sql("UPDATE accounts SET mode = 'lane'")
    await gateway.teli.hold("received")
    first = asyncio.create_task(tenant.buy(nickname="first"))
    await gateway.teli.until_held()
    second = asyncio.create_task(tenant.buy(nickname="second"))
    await until_waiting(gateway, 1)
    await hang_up(second)
    await gateway.teli.release_holds()
    assert (await first).status_code == 200
    await until_states(gateway, tenant, "owned", "owned")
    await until_open(gateway, 1)

    answer = await tenant.buy(nickname="second")

    assert (answer.status_code, answer.json()["joined"]) == (200, True)
    assert (await gateway.teli.counts())["bought"] == 2


async def test_who_took_it_over_and_was_not_told_either_leaves_it_to_the_next(gateway: Gateway, tenant: Tenant):
    await left(gateway, tenant)
    await until_open(gateway, 1)

    impatient = await tenant.buy(prefer="respond-async")
    assert (impatient.status_code, impatient.json()["joined"]) == (202, True)
    assert await open_answers(gateway) == 1
    gone = asyncio.create_task(tenant.buy())
    await until_open(gateway, 0)
    await hang_up(gone)
    await until_open(gateway, 1)
    await gateway.teli.release_holds()

    answer = await tenant.buy()
    assert (answer.status_code, answer.json()["joined"]) == (200, True)
    assert answer.json()["operation_id"] == impatient.json()["operation_id"]
    assert (await gateway.teli.counts())["bought"] == 1


async def test_of_two_equal_retries_at_once_one_takes_it_over_and_the_other_buys(gateway: Gateway, tenant: Tenant):
    operation_id = await pending(gateway, tenant)

    answers = [answer.json() for answer in await asyncio.gather(tenant.buy(), tenant.buy())]

    assert [answer["operation_id"] for answer in answers if answer.get("joined")] == [operation_id]
    assert len({answer["phone_number"] for answer in answers}) == 2
    assert (await gateway.teli.counts())["bought"] == 2


async def test_after_ten_minutes_a_retry_buys(gateway: Gateway, tenant: Tenant):
    await pending(gateway, tenant)
    await gateway.sql("UPDATE intents SET undelivered_at = undelivered_at - interval '10 minutes'")

    await bought_anew(gateway, tenant)


async def test_whoever_asks_for_something_else_or_is_somebody_else_buys(gateway: Gateway, tenant: Tenant):
    operation_id = await pending(gateway, tenant)
    stranger = await gateway.tenant()

    await bought_anew(gateway, tenant, nickname="another")
    await bought_anew(gateway, tenant, area_code="415")
    await bought_anew(gateway, stranger)
    await bought_anew(gateway, tenant, key="k")

    assert (await tenant.bought())["operation_id"] == operation_id


async def test_what_a_request_with_a_key_was_not_told_its_key_alone_gets(gateway: Gateway, tenant: Tenant):
    await left(gateway, tenant, key="k")
    await gateway.teli.release_holds()
    await until_states(gateway, tenant, "owned")

    await bought_anew(gateway, tenant)

    assert (await tenant.buy(key="k")).headers["idempotent-replayed"] == "true"
    assert (await gateway.teli.counts())["bought"] == 2


async def test_what_is_unresolved_is_nobodys_to_take_over(gateway: Gateway, tenant: Tenant):
    await gateway.teli.arm("reset", step="bought")
    assert (await tenant.buy()).status_code == 202
    await gateway.sql("UPDATE intents SET state = 'unresolved'")

    await bought_anew(gateway, tenant)


async def test_a_refusal_that_nobody_heard_is_told_once_too(gateway: Gateway, tenant: Tenant):
    await gateway.teli.stock("313", 0)
    await left(gateway, tenant)
    await until_open(gateway, 1)
    await gateway.teli.release_holds()
    await until_states(gateway, tenant, "refused")
    await gateway.teli.stock("313", None)

    answer = await tenant.buy()

    assert (answer.status_code, answer.json()["code"], answer.json()["joined"]) == (409, "no_numbers_available", True)
    assert answer.headers["content-type"] == "application/problem+json"
    await bought_anew(gateway, tenant)


@pytest.mark.every_redis
async def test_at_its_limit_a_tenant_still_gets_what_it_was_not_told(gateway: Gateway, http: httpx.AsyncClient):
    issued = await gateway.tenant(quota=1)
    tenant = Tenant(http, issued.id, issued.key)
    operation_id = await pending(gateway, tenant)
    problem(await tenant.buy(nickname="another"), 429, "quota_exceeded")
    async with gateway.redis() as redis:
        known = f"ng:{{{tenant.id}}}:quota"
        assert await redis.hexists(known, "full")
        await redis.hset(known, "until", int(await redis.hget(known, "until")) + 3_600_000)

    assert (await tenant.bought())["operation_id"] == operation_id

    problem(await tenant.buy(), 429, "quota_exceeded")
    assert await quota(gateway, tenant) == (1, 0)


async def test_a_stop_of_purchases_withholds_no_answer(gateway: Gateway, tenant: Tenant):
    operation_id = await pending(gateway, tenant)
    await gateway.sql("INSERT INTO stops (scope, id, reason, actor) VALUES ('global', '', 'test', 'test')")

    assert (await tenant.bought())["operation_id"] == operation_id

    problem(await tenant.buy(), 503, "purchases_stopped")


async def test_answers_that_were_delivered_are_told_to_nobody_else(gateway: Gateway, tenant: Tenant):
    first = await tenant.bought()
    second = await tenant.bought()

    assert first["phone_number"] != second["phone_number"]
    assert "joined" not in first.keys() | second.keys()
    assert await open_answers(gateway) == 0
