"""The gate in memory is true: it knows, and forgets, what the gate in Redis does."""

from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.idempotency.answers import Answer
from service.idempotency.keys import Ask
from service.kit import clock
from service.kit.crypto import Secret
from service.kit.types import TenantId
from service.kv import KeyValue
from service.quotas.errors import QuotaExceeded
from service.quotas.gate import Entry, Gate, Revisions
from service.quotas.rates import Turn
from service.tenants.principals import Rate
from tests.conftest import SECRET, Engines
from tests.fakes.both import Still, plain
from tests.fakes.gate import GateInMemory

# Lives in Redis are so many times as long: what passes while the test runs is nothing beside them.
STRETCHED = 10_000
# No sum of them is a second, a minute or a day.
PAUSES = (0.37, 0.71, 61.3, 40_000.7)
# Whose requests drain in no sum of them.
RATES = (Rate(1.7, 3), Rate(0.0131, 2, shadow=True), Rate(0, 0), None)


class StretchedGate(Gate):
    def __init__(self, kv: KeyValue) -> None:
        super().__init__(kv, Secret(SECRET), replicas=4)
        self._client = kv._client
        leave, enter, count = self._leave, self._enter, self._count

        async def stretched(*, keys: list[str], args: list[Any]) -> Any:
            stored, life, revision, note, *lives = args
            stretched = [life * STRETCHED for life in lives]
            return await leave(keys=keys, args=[stored, life * STRETCHED, revision, note, *stretched])

        async def entered(*, keys: list[str], args: list[Any]) -> Any:
            revision, *limits = args
            return await enter(keys=keys, args=[revision, *slowly(*limits)])

        async def counted(*, keys: list[str], args: list[Any]) -> Any:
            return await count(keys=keys, args=slowly(*args))

        self._leave = stretched  # type: ignore[assignment]
        self._enter = entered  # type: ignore[assignment]
        self._count = counted  # type: ignore[assignment]
        undelivered = self._undelivered

        async def stretched_open(*, keys: list[str], args: list[Any]) -> Any:
            return await undelivered(keys=keys, args=[args[0] * STRETCHED])

        self._undelivered = stretched_open  # type: ignore[assignment]

    async def pass_time(self, seconds: float) -> None:
        async for key in self._client.scan_iter("ng:*"):
            left = await self._client.pttl(key) - int(seconds * 1000 * STRETCHED)
            await (self._client.pexpire(key, left) if left > 0 else self._client.delete(key))
            for name in ("until", "open") if key.endswith(b":quota") else ():
                if (until := await self._client.hget(key, name)) is not None:
                    await self._client.hset(key, name, int(until) - int(seconds * 1000 * STRETCHED))
            if key.endswith(b":rate") and (at := await self._client.hget(key, "at")) is not None:
                await self._client.hset(key, "at", int(at) - int(seconds * 1_000_000 * STRETCHED))


def slowly(rate: str, burst: int | str) -> list[int | str]:
    return [rate and repr(float(rate) / STRETCHED), burst]


def seen(entry: Entry) -> Any:
    """All of it that a caller can tell: the level, which is the time's, in steps that can be."""
    return plain(replace(entry, turn=None)), entry.turn and told(entry.turn)


def told(turn: Turn) -> Any:
    refusal = turn.refusal
    return turn.granted, turn.headers, refusal and (refusal.headers, refusal.members)


def full(revision: int) -> QuotaExceeded:
    return QuotaExceeded(
        limit_name="numbers_held", scope="tenant", scope_id="t", limit=1, used=1, reserved=0, revision=revision
    )


@pytest.fixture
async def gate(engines: Engines, patient: None) -> AsyncIterator[StretchedGate]:
    kv = KeyValue.open(engines.valkey.url)
    yield StretchedGate(kv)
    await kv.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seeds=st.lists(st.integers(0, 2**32 - 1), min_size=10, max_size=60))
async def test_the_gate_in_memory_and_the_gate_in_redis_know_the_same(
    gate: StretchedGate, monkeypatch: pytest.MonkeyPatch, seeds: list[int]
):
    still, twin = Still(), GateInMemory()
    gate._revisions = Revisions()
    monkeypatch.setattr(clock, "source", still)
    await gate._client.flushall()
    for chance in map(Random, seeds):
        tenant = TenantId(chance.choice(("alpha", "beta")))
        ask = Ask(chance.choice(("k1", "k2", None)), chance.choice((b"one", b"two")))
        match chance.choice(
            ("enter", "enter", "enter", "count", "count", "leave", "leave", "freed", "undelivered", "pass", "pass")
        ):
            case "enter":
                rate = chance.choice(RATES)
                assert seen(await twin.enter(tenant, ask.key, rate)) == seen(await gate.enter(tenant, ask.key, rate))
            case "count":
                assert told(await twin.count(tenant, RATES[0])) == told(await gate.count(tenant, RATES[0]))
            case "leave":
                said: dict[str, Any] = {
                    "answer": chance.choice((None, Answer(200, {"a": "b"}, "é"), Answer(409, {}, ""))),
                    "quota": chance.choice((None, None, "later", chance.randrange(5), full(chance.randrange(5)))),
                }
                await gate.leave(tenant, ask, **said)
                await twin.leave(tenant, ask, **said)
            case "freed":
                await gate.freed(tenant)
                await twin.freed(tenant)
            case "undelivered":
                await gate.undelivered(tenant)
                await twin.undelivered(tenant)
            case "pass":
                seconds = chance.choice(PAUSES)
                still.pass_time(seconds)
                await gate.pass_time(seconds)
