"""Real processes, killed and stopped while Teli has the request."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.conftest import SECRET, Engines
from tests.numbers.ledger import check, intents, quota
from tests.simulator.program import KEY, Simulator
from tests.support.gateway import TELI_TENANT, Gateway, Tenant
from tests.support.process import Serving, Worker

pytestmark = [pytest.mark.processes, pytest.mark.ci]


@pytest.fixture
def environment(engines: Engines, database_url: str, teli_process: Simulator) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": engines.valkey.url,
        "TELI_BASE_URL": teli_process.url,
        "TELI_API_KEY": KEY,
        "NUMBERGATE_SECRET": SECRET,
        "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
        "NUMBERGATE_UPSTREAM_TIMEOUT": "1",
        "NUMBERGATE_ANSWER_WITHIN": "1",
        "NUMBERGATE_RESOLVE_INTERVAL": "0.5",
        "NUMBERGATE_LOG_LEVEL": "warning",
        "NUMBERGATE_LOG_FORMAT": "json",
    }


@pytest.fixture
async def serving(gateway: Gateway, environment: dict[str, str]) -> AsyncIterator[Serving]:
    """The API as a process; `gateway` has prepared the ledger, and looks into it."""
    serving = Serving(environment)
    await serving.start()
    yield serving
    serving.close()


async def ask(serving: Serving, tenant: Tenant, **kwargs: Any) -> httpx.Response | None:
    """A create sent to the process; None where the line broke."""
    async with httpx.AsyncClient(base_url=serving.url, timeout=10) as http:
        try:
            return await Tenant(http, tenant.id, tenant.key).buy(**kwargs)
        except httpx.HTTPError:
            return None


async def until(gateway: Gateway, tenant: Tenant, *states: str) -> None:
    async with asyncio.timeout(15):
        while await intents(gateway, tenant) != list(states):
            await asyncio.sleep(0.05)


async def test_killed_while_teli_has_the_request_the_intent_is_a_doubt_never_sent_again_and_found_by_its_mark(
    gateway: Gateway, serving: Serving, environment: dict[str, str]
):
    tenant = await gateway.tenant(quota=1)
    await gateway.teli.hold("bought")
    asking = asyncio.create_task(ask(serving, tenant, key="k"))
    await gateway.teli.until_held()

    serving.kill()
    assert await asking is None
    await serving.start()
    assert await intents(gateway, tenant) == ["sending"]
    early = await ask(serving, tenant, key="k", prefer="respond-async")
    assert early is not None
    assert early.status_code == 202
    with Worker(environment):
        await until(gateway, tenant, "doubtful")
        assert await quota(gateway, tenant) == (0, 1)
        [doubt] = (await gateway.operator.get("/v1/admin/doubts")).json()["items"]
        assert (doubt["id"], doubt["reason"]) == (early.json()["operation_id"], "sender_lost")

        await gateway.teli.release_holds()
        await until(gateway, tenant, "owned")
        again = await ask(serving, tenant, key="k")

    [purchase] = await gateway.teli.purchases()
    assert again is not None
    assert (again.status_code, again.json()["phone_number"]) == (200, purchase["phone_number"])
    assert (await gateway.teli.counts())["creates"] == 1
    assert await quota(gateway, tenant) == (1, 0)
    await check(gateway)


async def test_stopped_in_order_the_caller_gets_its_number_or_a_202_and_nothing_is_lost(
    gateway: Gateway, serving: Serving
):
    tenant = await gateway.tenant()
    await gateway.teli.arm("slow", seconds=0.6)
    quick = asyncio.create_task(ask(serving, tenant, key="quick"))
    async with asyncio.timeout(5):
        while (await gateway.teli.counts())["creates"] < 1:
            await asyncio.sleep(0.01)

    assert await serving.terminate() == 0

    answer = await quick
    assert answer is not None
    assert answer.status_code == 200
    assert await intents(gateway, tenant) == ["owned"]

    await serving.start()
    await gateway.teli.hold("bought")
    slow = asyncio.create_task(ask(serving, tenant, key="slow"))
    await gateway.teli.until_held()

    assert await serving.terminate() == 0

    answer = await slow
    assert answer is not None
    assert answer.status_code == 202
    assert await intents(gateway, tenant) == ["owned", "doubtful"]
    assert await quota(gateway, tenant) == (1, 1)
    assert (await gateway.teli.counts())["creates"] == 2
    await check(gateway)


async def test_a_caller_who_would_wait_long_is_told_202_when_the_process_stops(
    gateway: Gateway, serving: Serving, tenant: Tenant
):
    await gateway.teli.hold("received")
    waiting = asyncio.create_task(ask(serving, tenant, prefer="wait=60"))
    await gateway.teli.until_held()

    stopping = asyncio.create_task(serving.terminate())
    answer = await waiting

    assert answer is not None
    assert answer.status_code == 202
    assert answer.json()["operation_id"] in answer.headers["location"]
    await gateway.teli.release_holds()
    await stopping
