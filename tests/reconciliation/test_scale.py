"""Many doubts of one large organisation, resolved by a worker that is a process of its own."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.conftest import SECRET, Engines, OpenGateway
from tests.simulator.program import KEY, Simulator
from tests.support.gateway import AUTHOR, ORGANIZATION, TELI_TENANT, Gateway, Tenant
from tests.support.process import Worker
from tests.support.wire import Wire

pytestmark = pytest.mark.processes

GIBIBYTE_IN_KIB = 1 << 20
LOOKS_EVERY = 1.0
AT_ONCE = 25


@pytest.mark.parametrize(
    ("numbers", "doubts"),
    [
        pytest.param(2_000, 50, marks=pytest.mark.ci),
        pytest.param(20_000, 500, marks=[pytest.mark.full, pytest.mark.timeout(600)]),
    ],
)
async def test_the_doubts_of_a_large_organisation_share_their_listings_in_a_worker_of_bounded_memory(
    open_gateway: OpenGateway,
    engines: Engines,
    database_url: str,
    teli_process: Simulator,
    capsys: pytest.CaptureFixture[str],
    numbers: int,
    doubts: int,
):
    async with open_gateway(upstream_timeout=5) as gateway, Wire(database_url) as postgres:
        tenant = await gateway.tenant()
        await gateway.mark_mode(tenant)
        await hold(gateway, tenant, numbers)
        for step in ("answering", "received"):  # Bought, or never.
            await doubt(gateway, tenant, doubts // 2, step)
        await gateway.teli.forget_requests()

        environment = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": engines.valkey.url,
            "TELI_BASE_URL": teli_process.url,
            "TELI_API_KEY": KEY,
            "NUMBERGATE_SECRET": SECRET,
            "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
            "NUMBERGATE_UPSTREAM_TIMEOUT": "5",
            "NUMBERGATE_ANSWER_WITHIN": "1",
            "NUMBERGATE_SETTLING_WINDOW": "6",
            "NUMBERGATE_RESOLVE_INTERVAL": str(LOOKS_EVERY),
            "NUMBERGATE_LOG_LEVEL": "error",
        }
        began = time.monotonic()
        with Worker(environment) as worker:
            await until_decided(gateway)
            took = time.monotonic() - began
            peak = peak_kib(worker.pid)
        listings = [one for one in await gateway.teli.requests("list") if one["query"]["is_admin"] == "true"]
        with capsys.disabled():
            print(
                f"\n{doubts} doubts among {numbers} numbers: {len(listings)} listings, {postgres.round_trips} round"
                f" trips, {took:.1f} s, {peak / 1024:.0f} MiB at most"
            )

        assert await gateway.sql("SELECT state, count(*) FROM intents GROUP BY state ORDER BY state") == [
            ("owned", doubts // 2 + 1),
            ("unresolved", doubts // 2),
        ]
        assert await gateway.sql("SELECT count(*) FROM orphans WHERE state = 'open'") == [(0,)]
        # As many as the time allows, however many doubts there are.
        assert len(listings) <= took / LOOKS_EVERY + 2
        assert peak < GIBIBYTE_IN_KIB


async def hold(gateway: Gateway, tenant: Tenant, numbers: int) -> None:
    """The tenant holds so many numbers, for a user of their own."""
    user = (await gateway.teli.user(ORGANIZATION, name="Large", email="large@example.com"))["unique_id"]
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, user, {"name": "Large"})
    await gateway.teli.dashboard_buy("415", ORGANIZATION, user, count=numbers)
    await gateway.sql("UPDATE looks SET looked_at = NULL")
    await gateway.worker.resolver.run()
    [(held,)] = await gateway.sql(
        "WITH adopted AS (UPDATE orphans SET state = 'adopted' WHERE user_id = :user RETURNING *), held AS ("
        " INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,"
        "   state, mark, marked, acquired_at, confirmed_at, upstream_row_id)"
        " SELECT id, :tenant, account_id, organization_id, user_id, phone_number, phone_number, area_code, 'active',"
        "   '', false, created_at, created_at, row_id FROM adopted RETURNING id"
        ") SELECT count(*) FROM held",
        user=user,
        tenant=tenant.id,
    )
    assert held == numbers
    await gateway.sql("UPDATE quotas SET used = used + :held WHERE tenant_id = :t", held=held, t=tenant.id)


async def doubt(gateway: Gateway, tenant: Tenant, doubts: int, step: str) -> None:
    await gateway.teli.arm("reset", times=doubts, step=step)
    for some in range(0, doubts, AT_ONCE):
        keys = [f"{step}-{n}" for n in range(some, min(some + AT_ONCE, doubts))]
        answers = await asyncio.gather(*(tenant.buy(key=key, prefer="wait=10") for key in keys))
        assert {answer.status_code for answer in answers} == {202}


async def until_decided(gateway: Gateway) -> None:
    while await gateway.sql("SELECT id FROM intents WHERE state = 'doubtful' LIMIT 1"):
        await asyncio.sleep(0.2)


def peak_kib(pid: int) -> int:
    """The most memory the process ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])
