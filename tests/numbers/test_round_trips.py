"""What each hot path costs, counted on the wire and in the database, and not by ourselves."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import count
from statistics import median_low

import httpx
import pytest

from tests.conftest import Engines, OpenGateway
from tests.numbers.ledger import use_marks
from tests.simulator.program import Simulator
from tests.support.gateway import NUMBERS, ORGANIZATION, USER, Gateway, Tenant
from tests.support.wire import Wire

WARM_UP, COUNTED = 3, 5
LISTED = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Round trips to each, transactions that write, and the bytes there and back over all three wires."""

    redis: int
    postgres: int
    teli: int
    commits: int
    bytes: int


# Names and times in them are not always as long; a twentieth more is for that.
COSTS = {
    "create": Cost(2, 2, 1, 2, 5_100),
    "create without a key": Cost(1, 2, 1, 2, 4_300),
    "replay": Cost(1, 0, 0, 0, 865),
    "quota refusal": Cost(1, 0, 0, 0, 430),
    "bad key": Cost(1, 0, 0, 0, 165),
    "one user's numbers": Cost(1, 1, 0, 0, 13_800),
    "number by id": Cost(1, 1, 0, 0, 2_520),
}


@dataclass(frozen=True, slots=True)
class Wired:
    """A gateway whose every word to Redis, Postgres and Teli passes a wire that counts."""

    gateway: Gateway
    wires: tuple[Wire, Wire, Wire]

    async def cost(self, ask: Callable[[], Awaitable[httpx.Response]], status: int) -> Cost:
        """What one request costs, of those that are made of it most often; what else passes by can only add to it."""
        found: Counter[Cost] = Counter()
        sizes: list[int] = []
        for turn in range(WARM_UP + COUNTED):
            # Just after a look at the version row, which is looked at twice a second and counts for nobody.
            await self.gateway.services.version.look()
            before = [(wire.round_trips, wire.bytes) for wire in self.wires]
            written = await self._written()
            answer = await ask()
            assert answer.status_code == status, answer.text
            redis, postgres, teli = (wire.round_trips - was for wire, (was, _) in zip(self.wires, before, strict=True))
            size = sum(wire.bytes - was for wire, (_, was) in zip(self.wires, before, strict=True))
            if turn >= WARM_UP:
                found[Cost(redis, postgres, teli, await self._written() - written, bytes=0)] += 1
                sizes.append(size)
        [(usual, _)] = found.most_common(1)
        return Cost(usual.redis, usual.postgres, usual.teli, usual.commits, median_low(sizes))

    async def _written(self) -> int:
        """How many transactions of the cluster have written; asked past the wires."""
        [(taken,)] = await self.gateway.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return int(taken)


@pytest.fixture
async def wired(
    open_gateway: OpenGateway, engines: Engines, database_url: str, teli_process: Simulator
) -> AsyncIterator[Wired]:
    async with (
        Wire(database_url) as postgres,
        Wire(engines.valkey.url) as redis,
        Wire(teli_process.url) as teli,
        open_gateway(api_database_url=postgres.url, redis_url=redis.url, teli_base_url=teli.url) as gateway,
    ):
        yield Wired(gateway, (redis, postgres, teli))


async def asking(wired: Wired, path: str) -> tuple[Callable[[], Awaitable[httpx.Response]], int]:
    """How that path is asked, and how it is answered then."""
    tenant = await wired.gateway.tenant(quota=0 if path == "quota refusal" else None)
    await wired.gateway.put_quotas(tenant, requests_per_second=1000)
    keys = count()
    match path:
        case "create":
            return (lambda: tenant.buy(key=f"create-{next(keys)}")), 200
        case "replay":
            return (lambda: tenant.buy(key="the-same")), 200
        case "create without a key":
            return tenant.buy, 200
        case "quota refusal":
            return tenant.buy, 429
        case "bad key":
            wrong = tenant.key[:-1] + ("0" if tenant.key[-1] != "0" else "1")
            stranger = Tenant(tenant.http, tenant.id, wrong)
            return (lambda: stranger.get("/v1/numbers")), 401
        case "one user's numbers":
            for _ in range(LISTED):
                await tenant.bought()
            query = {"organization_id": ORGANIZATION, "user_id": USER}
            return (lambda: tenant.get(NUMBERS, params=query)), 200
        case "number by id":
            number = await tenant.bought()
            return (lambda: tenant.get(f"/v1/numbers/{number['id']}")), 200
        case unknown:
            raise AssertionError(unknown)


@pytest.mark.parametrize(
    ("path", "mode"), [*((path, "lane") for path in COSTS), ("create", "mark"), ("create without a key", "mark")]
)
async def test_a_hot_path_takes_as_many_round_trips_and_commits_as_promised_and_no_more_bytes(
    wired: Wired, path: str, mode: str
):
    if mode == "mark":
        await use_marks(wired.gateway)
    ask, status = await asking(wired, path)

    found = await wired.cost(ask, status)

    assert replace(found, bytes=0) == replace(COSTS[path], bytes=0)
    assert 0.8 * COSTS[path].bytes < found.bytes <= COSTS[path].bytes
