"""The gate in memory is true: it knows, and forgets, what the gate in Redis does."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from service.idempotency.answers import Answer
from service.idempotency.keys import Ask
from service.kit import clock
from service.kit.crypto import Secret
from service.kit.types import TenantId
from service.kv import KeyValue
from service.quotas.errors import QuotaExceeded
from service.quotas.gate import Gate
from tests.conftest import SECRET, Engines
from tests.fakes.both import Still, plain
from tests.fakes.gate import GateInMemory

# Lives in Redis are so many times as long: what passes while the test runs is nothing beside them.
STRETCHED = 10_000
# No sum of them is a second, a minute or a day.
PAUSES = (0.37, 0.71, 61.3, 40_000.7)


class StretchedGate(Gate):
    def __init__(self, client: Redis) -> None:
        super().__init__(KeyValue(client), Secret(SECRET))
        self._client = client
        leave = self._leave

        async def stretched(*, keys: list[str], args: list[Any]) -> Any:
            stored, life, quota, note, full_life = args
            return await leave(keys=keys, args=[stored, life * STRETCHED, quota, note, full_life * STRETCHED])

        self._leave = stretched  # type: ignore[assignment]

    async def pass_time(self, seconds: float) -> None:
        async for key in self._client.scan_iter("ng:*"):
            left = await self._client.pttl(key) - int(seconds * 1000 * STRETCHED)
            await (self._client.pexpire(key, left) if left > 0 else self._client.delete(key))


@pytest.fixture
async def gate(engines: Engines) -> AsyncIterator[StretchedGate]:
    client = Redis.from_url(engines.valkey.url)
    yield StretchedGate(client)
    await client.aclose()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seeds=st.lists(st.integers(0, 2**32 - 1), min_size=10, max_size=60))
async def test_the_gate_in_memory_and_the_gate_in_redis_know_the_same(
    gate: StretchedGate, monkeypatch: pytest.MonkeyPatch, seeds: list[int]
):
    still, twin = Still(), GateInMemory()
    monkeypatch.setattr(clock, "source", still)
    await gate._client.flushall()
    for chance in map(Random, seeds):
        tenant = TenantId(chance.choice(("alpha", "beta")))
        ask = Ask(chance.choice(("k1", "k2", None)), chance.choice((b"one", b"two")))
        match chance.choice(("enter", "enter", "enter", "leave", "leave", "freed", "pass", "pass")):
            case "enter":
                assert plain(await twin.enter(tenant, ask)) == plain(await gate.enter(tenant, ask))
            case "leave":
                said: dict[str, Any] = {
                    "answer": chance.choice((None, Answer(200, {"a": "b"}, "é"), Answer(409, {}, ""))),
                    "quota": chance.choice(("same", "same", "freed", QuotaExceeded(limit=1, used=1, reserved=0))),
                }
                await gate.leave(tenant, ask, **said)
                await twin.leave(tenant, ask, **said)
            case "freed":
                await gate.freed(tenant)
                await twin.freed(tenant)
            case "pass":
                seconds = chance.choice(PAUSES)
                still.pass_time(seconds)
                await gate.pass_time(seconds)
