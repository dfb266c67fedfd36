"""Many events to many endpoints, some dead and some slow: the others are told everything, in order, and soon.

`./dev test tests/webhooks/test_many.py -m full` is the whole of it, and tells its figures.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from statistics import quantiles

import pytest

from service.kit.errors import ServiceError
from service.webhooks.delivering import Delivering
from tests.support.gateway import Gateway, Tenant
from tests.webhooks.desk import NUMBER_DATA, a_number, made
from tests.webhooks.receiver import Receiver

SIZES = [
    pytest.param((2_000, 10, 2, 1, 150), marks=pytest.mark.ci, id="2,000 events to 10 endpoints"),
    pytest.param((100_000, 50, 10, 5, 250), marks=pytest.mark.full, id="100,000 events to 50 endpoints"),
]
DEAD = "http://127.0.0.1:9/dead"
SLOW = 2.0


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("size", SIZES)
async def test_the_healthy_ones_get_everything_in_order_whoever_else_is_dead_or_slow(
    gateway: Gateway,
    hooks: Receiver,
    size: tuple[int, int, int, int, int],
    record_property: Callable[[str, object], None],
):
    events, endpoints, dead, slow, rate = size
    each, tenants = events // endpoints, [await gateway.tenant() for _ in range(endpoints)]
    names = [f"hook-{place}" for place in range(endpoints)]
    healthy = names[dead + slow :]
    for place, (name, tenant) in enumerate(zip(names, tenants, strict=True)):
        hooks.secrets[name] = (await made(tenant, DEAD if place < dead else hooks.url(name)))["secret"]
    hooks.slow.update(dict.fromkeys(names[dead : dead + slow], SLOW))
    services, going = gateway.worker, True
    workers = [Delivering(services.database, services.webhooks._sender, services.webhooks._keyring) for _ in range(2)]

    async def work(delivering: Delivering) -> None:
        while going:
            # As in a worker: what could not be done now is done later.
            with suppress(ServiceError):
                while await services.numbering.number():
                    continue
                await delivering.run()
            await asyncio.sleep(0.2)

    working = [asyncio.create_task(work(one)) for one in workers]
    committed = await happen_at(gateway, tenants, each, rate)
    async with asyncio.timeout(1800):
        while any(len(hooks.told[name]) < each for name in healthy):
            await asyncio.sleep(0.2)
    going = False
    await asyncio.gather(*working)
    for worker in workers:
        for task in worker._turns:
            task.cancel()
        await worker.rest()

    assert not hooks.forged
    lags, again = [], 0
    for name in healthy:
        by_number: dict[str, list[int]] = defaultdict(list)
        seen: dict[int, str] = {}
        for one in hooks.told[name]:
            event = one.event
            if event["sequence"] in seen:
                assert seen[event["sequence"]] == event["id"]
                again += 1
                continue
            seen[event["sequence"]] = event["id"]
            by_number[event["data"]["number_id"]].append(event["sequence"])
            lags.append(one.at - committed[event["tenant_id"], event["sequence"]])
        assert seen.keys() == set(range(1, each + 1))
        for places in by_number.values():
            assert all(earlier < later for earlier, later in pairwise(places))
    p50, p95 = (quantiles(lags, n=100)[place] for place in (49, 94))
    record_property(
        "told",
        f"{events} events at {rate} a second to {endpoints} endpoints, {dead} dead, {slow} slow: {len(lags)}"
        f" delivered to the healthy, {again} of them again; from commit to delivery p50 {p50:.3f} s, p95 {p95:.3f} s",
    )


async def happen_at(gateway: Gateway, tenants: list[Tenant], each: int, rate: int) -> dict[tuple[str, int], float]:
    """`each` events of each tenant, so many a second; when each was committed, by the clock of this process."""
    committed: dict[tuple[str, int], float] = {}
    numbers = {tenant.id: [a_number() for _ in range(10)] for tenant in tenants}
    began, done, at_once = time.monotonic(), 0, 10
    for sequence in range(1, each + 1, at_once):
        for tenant in tenants:
            upto = min(each, sequence + at_once - 1)
            await gateway.sql(
                "INSERT INTO outbox (tenant_id, kind, number_id, payload)"
                " SELECT :tenant, 'number.releasing', number, CAST(:data AS jsonb)"
                " FROM unnest(CAST(:numbers AS uuid[])) WITH ORDINALITY AS one(number, place)"
                " WHERE place <= :most ORDER BY place",
                tenant=tenant.id, data=NUMBER_DATA, numbers=numbers[tenant.id], most=upto - sequence + 1,
            )  # fmt: skip
            now = time.monotonic()
            committed |= {(tenant.id, place): now for place in range(sequence, upto + 1)}
            done += upto - sequence + 1
            await asyncio.sleep(max(0.0, began + done / rate - now))
    return committed
