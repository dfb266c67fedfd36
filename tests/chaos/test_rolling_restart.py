"""Processes are replaced one by one under load, and no caller notices."""

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import httpx
import hypothesis
import pytest

from tests.chaos.child import Child
from tests.chaos.stage import TIMES, Stage, stage
from tests.chaos.strike import begin_in_lane_mode
from tests.conftest import Engines
from tests.numbers.ledger import check
from tests.simulator.program import Simulator
from tests.support.gateway import Tenant

pytestmark = [pytest.mark.processes, pytest.mark.ci, pytest.mark.timeout(900)]

FULL = hypothesis.settings.get_current_profile_name() == "deep"
ROUNDS = 10 if FULL else 2
APIS, CALLERS = 3, 64
# Seconds between requests of one caller: what is shown here is replacing, not overload.
PAUSE = 1.0
UNHURRIED = TIMES | {"NUMBERGATE_UPSTREAM_TIMEOUT": "30", "NUMBERGATE_ANSWER_WITHIN": "25"} | {
    "NUMBERGATE_SETTLING_WINDOW": "31", "NUMBERGATE_WRITE_OFF": "32", "NUMBERGATE_DRAIN_NOTICE": "1.5",
}  # fmt: skip
Tell = Callable[[str, object], None]


async def replaced(child: Child, url: str) -> None:
    """Stopped as a deployment stops it, and started anew; ready when this returns."""
    child.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(70):
        assert await child.process.wait() in (0, -signal.SIGTERM)
    await child.start()
    # On a shared socket any may answer: that it answers at all is seen by its own line of readiness.
    await child.passed()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        for _ in range(20):
            with suppress(httpx.HTTPError):
                await http.get("/readyz", timeout=5)
            await asyncio.sleep(0.1)


async def call(opened: Stage, tenant: Tenant, number: int, told: Counter[str], stop: asyncio.Event) -> None:
    """One caller: it buys with a key, asks again with it, lists and looks, on a connection it keeps."""
    owner = {"user_id": opened.user, "organization_id": opened.organization}
    turn = 0
    async with httpx.AsyncClient(base_url=opened.api.url, timeout=60, trust_env=False) as http:
        caller = Tenant(http, tenant.id, tenant.key)
        while not stop.is_set():
            turn += 1
            buy = partial(caller.buy, key=f"{number}-{turn}", **owner)
            look = partial(caller.get, "/v1/numbers", params={"limit": 10})
            for request in (buy, buy, look) if turn % 4 == number % 4 else (look,):
                await asyncio.sleep(PAUSE)
                try:
                    answer = await request()
                except httpx.HTTPError as error:
                    told[f"{type(error).__name__}: {error}"] += 1
                else:
                    told[str(answer.status_code)] += 1
                    if answer.status_code >= 500:
                        told[answer.text[:200]] += 1


async def test_three_processes_are_replaced_again_and_again_and_no_caller_notices(
    engines: Engines, template: str, teli_process: Simulator, record_property: Tell
):
    with socket.create_server(("127.0.0.1", 0), backlog=512) as shared:
        async with (
            stage(engines, template, teli_process, apis=APIS, times=UNHURRIED, shared=shared) as opened,
            httpx.AsyncClient(base_url=opened.api.url, timeout=60, trust_env=False) as http,
        ):
            tenant = await opened.tenant(http, quota=100_000)
            await begin_in_lane_mode(opened, lane=False)
            told: Counter[str] = Counter()
            stop = asyncio.Event()
            callers = [asyncio.create_task(call(opened, tenant, one, told, stop)) for one in range(CALLERS)]
            for _ in range(ROUNDS):
                for child in (opened.api, *opened.others):
                    await replaced(child, opened.api.url)
            stop.set()
            await asyncio.gather(*callers)

            doubts = await opened.sql("SELECT id FROM audit WHERE action = 'intent.doubtful'")
            assert set(told) <= {"200", "202"}, told
            assert doubts == []
            await check(opened)
    record_property(
        "told",
        f"rolling restart: {APIS} processes {ROUNDS} times under {CALLERS} callers: {told.total()} answers"
        f" ({', '.join(f'{count} × {status}' for status, count in sorted(told.items()))}), no connection broken, no"
        " doubt",
    )
