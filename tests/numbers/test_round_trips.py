"""What one create costs, counted on the wire and not by ourselves."""

from collections import Counter

from tests.conftest import Engines, OpenGateway
from tests.numbers.ledger import use_marks
from tests.simulator.program import Simulator
from tests.support.wire import Wire

WARM_UP, COUNTED = 3, 5


async def test_a_create_and_a_replay_make_no_more_round_trips_than_promised(
    open_gateway: OpenGateway, engines: Engines, database_url: str, teli_process: Simulator
):
    async with (
        Wire(database_url) as postgres,
        Wire(engines.valkey.url) as redis,
        Wire(teli_process.url) as teli,
        open_gateway(api_database_url=postgres.url, redis_url=redis.url, teli_base_url=teli.url) as gateway,
    ):
        for mode in ("lane", "mark"):
            if mode == "mark":
                await use_marks(gateway)
            tenant = await gateway.tenant()
            await gateway.put_quotas(tenant, requests_per_second=1000)
            creates: Counter[tuple[int, int, int]] = Counter()
            replays: Counter[tuple[int, int, int]] = Counter()
            keyless: Counter[tuple[int, int, int]] = Counter()
            wires = (redis, postgres, teli)
            for number in range(WARM_UP + COUNTED):
                for found in (creates, replays, keyless):
                    # Just after a look at the version row, which is looked at twice a second and counts for nobody.
                    await gateway.services.version.look()
                    before = [wire.round_trips for wire in wires]
                    answer = await tenant.buy(key=None if found is keyless else f"{mode}{number}")
                    assert answer.status_code == 200
                    if number >= WARM_UP:
                        redis_now, postgres_now, teli_now = (
                            wire.round_trips - was for wire, was in zip(wires, before, strict=True)
                        )
                        found[redis_now, postgres_now, teli_now] += 1

            assert creates.most_common(1)[0][0] == (2, 2, 1)
            assert keyless.most_common(1)[0][0] == (1, 2, 1)
            assert replays.most_common(1)[0][0] == (1, 0, 0)
