"""How often a tenant may ask: exactly, in Redis and without; told on every answer; at nobody else's expense."""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.kit import clock
from service.kit.crypto import Secret
from service.kit.types import TenantId
from service.kv import KeyValue
from service.observability.metrics import QUOTA_SHADOW, RATE_LIMITED
from service.quotas.gate import Gate
from service.quotas.rates import MOST_TENANTS, LocalRates
from service.tenants.principals import Rate
from tests.conftest import SECRET, Engines, OpenGateway
from tests.fakes.both import Still
from tests.http.refusals import nothing_happens, pointers, problem
from tests.numbers.ledger import use_marks
from tests.support.gateway import CREATE, Gateway, Tenant
from tests.support.redis_servers import RedisServers, connected
from tests.support.wire import Wire

# What passes while a test runs is nothing to it: one more request in a thousand seconds.
SLOW = 0.001
NUMBERS = "/v1/numbers"
# In Redis a second lasts so many times as long: what really passes is nothing beside it.
STRETCHED = 10_000
# No sum of the one is a multiple of what the others let through.
PAUSES = (0.37, 0.71, 3.3, 61.3)
RATES = (Rate(1.7, 3), Rate(0.31, 1), Rate(13.1, 20), Rate(0.017, 5))
HYPOTHESIS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@dataclass
class Gcra:
    """The algorithm by virtual scheduling (ITU-T I.371), which is not how it is written in the product; exact."""

    per_second: Fraction
    burst: int
    arrival: Fraction = Fraction(0)

    def lets_through(self, now: Fraction) -> bool:
        arrival = max(self.arrival, now)
        if (arrival - now) * self.per_second > self.burst - 1:
            return False
        self.arrival = arrival + 1 / self.per_second
        return True

    def left(self, now: Fraction) -> int:
        return int(self.burst - max(Fraction(0), self.arrival - now) * self.per_second)


@pytest.mark.every_redis
@pytest.mark.usefixtures("patient")
@settings(HYPOTHESIS, max_examples=min(settings().max_examples, 100))  # Each takes a round trip a request.
@given(rate=st.sampled_from(RATES), pauses=st.lists(st.sampled_from((0.0, 0.0, *PAUSES)), min_size=5, max_size=40))
async def test_redis_lets_through_what_the_algorithm_does_and_nothing_more(
    redis_servers: RedisServers, rate: Rate, pauses: list[float]
):
    kv = KeyValue.open(redis_servers.url)
    gate, tenant = Gate(kv, Secret(SECRET), replicas=1), TenantId(uuid4().hex)
    bucket, stretched = f"ng:{{{tenant}}}:rate", Rate(rate.per_second / STRETCHED, rate.burst)
    model, now = Gcra(Fraction(str(rate.per_second)), rate.burst), Fraction(0)
    async with connected(redis_servers.url) as redis:
        for number, pause in enumerate(pauses):
            now += Fraction(str(pause))
            if (at := await redis.hget(bucket, "at")) is not None:
                await redis.hset(bucket, "at", int(at) - int(pause * STRETCHED * 1_000_000))
                assert await redis.pttl(bucket) > 0

            if number % 3:
                turn = await gate.count(tenant, stretched)
            else:
                entered = (await gate.enter(tenant, None, stretched)).turn
                assert entered is not None
                turn = entered

            assert turn.granted == model.lets_through(now)
            assert f"r={model.left(now)};" in turn.headers["RateLimit"]
    await kv.close()


@HYPOTHESIS
@given(
    rate=st.sampled_from((*RATES, Rate(0.4, 0), Rate(0, 0))),
    replicas=st.sampled_from((1, 4)),
    pauses=st.lists(st.sampled_from((0.0, 0.0, *PAUSES)), min_size=5, max_size=40),
)
def test_without_redis_all_processes_together_let_through_no_more_than_the_rate(
    monkeypatch: pytest.MonkeyPatch, rate: Rate, replicas: int, pauses: list[float]
):
    still = Still()
    monkeypatch.setattr(clock, "source", still)
    processes = [LocalRates(replicas) for _ in range(replicas)]
    passed = 0
    for pause in pauses:
        still.pass_time(pause)
        for process in processes:
            passed += sum(process.count(TenantId("t"), rate).granted for _ in range(3))

    # A burst of less than one a process is one, for else nothing would go on.
    at_once = rate.burst and max(rate.burst, replicas)
    assert passed <= at_once + sum(pauses) * rate.per_second + 1e-6


def test_a_process_remembers_ten_thousand_tenants_and_forgets_who_asked_for_longest_nothing():
    rates, rate = LocalRates(1), Rate(SLOW, 1)
    first, second = TenantId("first"), TenantId("second")
    assert rates.count(first, rate).granted
    assert rates.count(second, rate).granted
    for number in range(MOST_TENANTS - 2):
        rates.count(TenantId(str(number)), rate)
    assert not rates.count(first, rate).granted

    rates.count(TenantId("one more"), rate)

    assert rates.count(second, rate).granted
    assert not rates.count(first, rate).granted


@pytest.mark.every_redis
async def test_a_burst_is_let_through_then_requests_are_refused_and_cost_nothing(gateway: Gateway):
    tenant, other = await gateway.tenant(), await gateway.tenant()
    for each in (tenant, other):
        await gateway.put_quotas(each, requests_per_second=SLOW, burst=3)

    answers = [await tenant.get(NUMBERS) for _ in range(3)]
    async with nothing_happens(gateway):
        refused = [await tenant.get(NUMBERS), await tenant.buy(), await tenant.buy(key="k"), await tenant.get(NUMBERS)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.headers["ratelimit-policy"] for answer in answers + refused} == {'"requests";q=3;w=3000'}
    assert answers[0].headers["ratelimit"] == '"requests";r=2;t=1000'
    assert [left(answer) for answer in answers + refused] == [2, 1, 0, 0, 0, 0, 0]
    for answer in refused:
        told = problem(answer, 429, "rate_limited")
        assert told["quota"] == {
            "limit_name": "requests_per_second", "scope": "tenant", "scope_id": tenant.id, "limit": 3,
        }  # fmt: skip
        assert 0 < int(answer.headers["retry-after"]) <= 1000
    assert left(await other.get(NUMBERS)) == 2


def left(answer: Any) -> int:
    found = re.fullmatch(r'"requests";r=(\d+);t=\d+', answer.headers["ratelimit"])
    assert found, answer.headers["ratelimit"]
    return int(found[1])


async def test_a_change_is_in_force_at_once_on_every_replica(open_gateway: OpenGateway):
    async with open_gateway() as gateway, open_gateway() as elsewhere:
        tenant = await gateway.tenant()
        there = Tenant(elsewhere.http, tenant.id, tenant.key)
        assert "ratelimit" not in (await there.get(NUMBERS)).headers
        await gateway.put_quotas(tenant, requests_per_second=0)

        async with asyncio.timeout(30):
            while (none := await there.get(NUMBERS)).status_code == 200:
                await asyncio.sleep(0.05)
        await gateway.put_quotas(tenant, requests_per_second=SLOW, burst=2)
        some = [await tenant.get(NUMBERS) for _ in range(3)]
        # What was asked under a slow rate is not held against a faster one.
        await gateway.put_quotas(tenant, requests_per_second=1_000_000, burst=2)
        more = await tenant.get(NUMBERS)
        await gateway.put_quotas(tenant, requests_per_second=None)
        all_of_it = [await tenant.get(NUMBERS) for _ in range(3)]

    problem(none, 429, "rate_limited")
    assert (none.headers["ratelimit-policy"], none.headers["ratelimit"]) == ('"requests";q=0', '"requests";r=0')
    assert none.headers["retry-after"] == "3600"
    assert [answer.status_code for answer in some] == [200, 200, 429]
    assert more.status_code == 200
    assert {answer.status_code for answer in all_of_it} == {200}
    assert "ratelimit" not in all_of_it[0].headers


async def test_no_operation_forgets_the_rate(gateway: Gateway):
    tenant = await gateway.tenant()
    await gateway.put_quotas(tenant, requests_per_second=0)
    document = (await gateway.http.get("/openapi.json")).json()
    operations = [
        (method, path, one) for path, item in document["paths"].items() for method, one in item.items()
        if "security" in one
    ]  # fmt: skip
    assert len(operations) > 30

    for method, path, one in operations:
        answer = await tenant.send(method.upper(), re.sub("{[^}]*}", "x", path))
        problem(answer, 429, "rate_limited", about=f"{method} {path}")
        assert answer.headers["ratelimit"] == '"requests";r=0', path
        described = one["responses"]["429"]
        assert "`rate_limited`" in described["description"], path
        assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= described["headers"].keys(), path
        assert "RateLimit" in one["responses"]["400"]["headers"], path


async def test_what_cannot_be_read_or_may_not_be_done_counts_once(gateway: Gateway):
    tenant = await gateway.tenant(scopes=["numbers:read"])
    await gateway.put_quotas(tenant, requests_per_second=SLOW, burst=5)

    answers = [
        await tenant.send("POST", CREATE, content=b"{", headers={"Content-Type": "application/json"}),
        await tenant.buy(),
        await tenant.get(NUMBERS, params={"unknown": "x"}),
        await tenant.get(f"{NUMBERS}/nonsense"),
    ]

    assert [answer.status_code for answer in answers] == [400, 403, 400, 400]
    assert [left(answer) for answer in answers] == [4, 3, 2, 1]


@pytest.mark.every_redis
async def test_at_its_limit_a_tenant_still_gets_the_replay_of_an_old_key(gateway: Gateway):
    await use_marks(gateway)
    tenant = await gateway.tenant()
    bought = await tenant.buy(key="k")
    await gateway.put_quotas(tenant, requests_per_second=0)

    replayed = await tenant.buy(key="k")
    await gateway.flush_redis()
    again = await tenant.buy(key="k")
    async with nothing_happens(gateway):
        refused = [await tenant.buy(key="new"), await tenant.buy()]

    for answer in (replayed, again):
        assert (answer.status_code, answer.content) == (200, bought.content)
        assert answer.headers["idempotent-replayed"] == "true"
        assert answer.headers["ratelimit"] == '"requests";r=0'
    for answer in refused:
        problem(answer, 429, "rate_limited")
    problem(await tenant.buy("415", key="k"), 422, "idempotency_key_reused")
    [(stored,)] = await gateway.sql("SELECT answer->'headers' FROM intents WHERE idempotency_key = 'k'")
    assert stored == {"content-type": "application/json"}


async def test_a_tenant_that_is_refused_looks_for_one_key_at_a_time(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    tenant = await gateway.tenant()
    await gateway.put_quotas(tenant, requests_per_second=0)
    ledger, under_way, most = gateway.services.ledger, 0, 0
    named_by = ledger.named_by

    async def watched(*asked: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        found = await named_by(*asked)
        under_way -= 1
        return found

    monkeypatch.setattr(ledger, "named_by", watched)

    answers = await asyncio.gather(*(tenant.buy(key=f"k{number}") for number in range(12)))

    assert {answer.json()["code"] for answer in answers} == {"rate_limited"}
    assert most == 1


async def test_without_redis_a_process_lets_through_its_share(open_gateway: OpenGateway):
    async with Wire("redis://127.0.0.1:1") as nobody:
        await nobody.down()
        async with open_gateway(redis_url=nobody.url, replicas=4) as gateway:
            tenant = await gateway.tenant()
            await gateway.put_quotas(tenant, requests_per_second=SLOW, burst=8)
            before = refusals("local")

            answers = [await tenant.get(NUMBERS), *(await asyncio.gather(*(tenant.get(NUMBERS) for _ in range(9))))]

            assert sorted(answer.status_code for answer in answers) == [200, 200, *[429] * 8]
            assert answers[0].headers["ratelimit-policy"] == '"requests";q=2;w=8000'
            assert refusals("local") == before + 8


def refusals(source: str) -> float:
    return float(RATE_LIMITED.labels(source)._value.get())


@pytest.mark.every_redis
async def test_a_rate_in_shadow_mode_is_reported_and_refuses_nobody_and_one_that_is_off_is_not_looked_at(
    gateway: Gateway,
):
    shadow, off = await gateway.tenant(), await gateway.tenant()
    await gateway.put_quotas(shadow, requests_per_second=SLOW, burst=1, mode="shadow")
    await gateway.put_quotas(off, requests_per_second=0, mode="off")
    reported = QUOTA_SHADOW.labels("tenant", "requests_per_second")._value
    before, refused = reported.get(), refusals("redis")

    answers = [await tenant.get(NUMBERS) for tenant in (shadow, off) for _ in range(3)]
    bought = [await shadow.buy(), await off.buy()]

    assert {answer.status_code for answer in answers + bought} == {200}
    assert not any("ratelimit" in answer.headers for answer in answers)
    assert (reported.get() - before, refusals("redis")) == (3, refused)
    async with gateway.redis() as redis:
        assert await redis.exists(f"ng:{{{shadow.id}}}:rate")
        assert not await redis.exists(f"ng:{{{off.id}}}:rate")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests_per_second", -1), ("requests_per_second", 0.0001), ("requests_per_second", 1e-300),
        ("requests_per_second", 1_000_001), ("requests_per_second", "10"), ("requests_per_second", True),
        ("requests_per_second", [1]), ("burst", -1), ("burst", 1.5), ("burst", 1_000_001), ("burst", "3"),
        ("burst", True),
    ],
)  # fmt: skip
async def test_absurd_values_are_refused_by_name(gateway: Gateway, tenant: Tenant, field: str, value: Any):
    answer = await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}/quotas", json={field: value})

    assert pointers(problem(answer, 400, "invalid_request")) == {f"/{field}"}


async def test_a_number_that_is_none_is_refused_too(gateway: Gateway, tenant: Tenant):
    for body in (b'{"requests_per_second": NaN}', b'{"requests_per_second": 1e999}'):
        answer = await gateway.admin.send(
            "PUT", f"/v1/admin/tenants/{tenant.id}/quotas", content=body, headers={"Content-Type": "application/json"}
        )
        assert problem(answer, 400, "invalid_request")


async def test_a_create_tells_the_tightest_quota_beside_the_rate(gateway: Gateway):
    tenant = await gateway.tenant(quota=2)
    await gateway.put_quotas(tenant, requests_per_second=SLOW, burst=9, purchases_per_day=5)

    first, second = await tenant.buy(key="k"), await tenant.buy()
    replayed, full = await tenant.buy(key="k"), await tenant.buy()

    assert first.headers["ratelimit-policy"] == '"requests";q=9;w=9000, "numbers_held";q=2'
    assert first.headers["ratelimit"] == '"requests";r=8;t=1000, "numbers_held";r=1'
    assert second.headers["ratelimit"].endswith(', "numbers_held";r=0')
    assert left(replayed) == 7, "a replay counts as no request"
    problem(full, 429, "quota_exceeded")
    assert re.fullmatch(r'"requests";r=6;t=\d+, "numbers_held";r=0', full.headers["ratelimit"])


async def test_a_quota_with_a_reset_says_when_it_is_and_one_of_an_organisation_whose_it_is(gateway: Gateway):
    tenant = await gateway.tenant()
    await gateway.put_quotas(tenant, purchases_per_day=1)

    bought, full = await tenant.buy(), await tenant.buy()

    assert bought.headers["ratelimit-policy"] == '"purchases_per_day";q=1'
    seconds = re.fullmatch(r'"purchases_per_day";r=0;t=(\d+)', full.headers["ratelimit"])
    assert seconds
    assert 0 <= int(full.headers["retry-after"]) - int(seconds[1]) <= 1
    await gateway.put_quotas(tenant, purchases_per_day=None)
    await gateway.admin.send("PUT", "/v1/admin/deployment/quotas", json={"requests_per_second": 0})
    refused = await tenant.buy()
    assert problem(refused, 429, "rate_limited")["quota"]["scope"] == "deployment"
    assert refused.headers["ratelimit"] == '"deployment_requests";r=0'


async def test_what_the_requests_of_a_noisy_tenant_cost_others(
    open_gateway: OpenGateway, engines: Engines, database_url: str, record_property: Callable[[str, object], None]
):
    async with (
        Wire(database_url) as postgres,
        Wire(engines.valkey.url) as redis,
        open_gateway(api_database_url=postgres.url, redis_url=redis.url) as gateway,
    ):
        await use_marks(gateway)
        noisy, quiet = await gateway.tenant(), await gateway.tenant()
        await gateway.put_quotas(noisy, requests_per_second=0.5)
        statuses: list[int] = []

        async def make_noise() -> None:
            """Fifty times the rate, where the machine is quick."""
            for number in range(10_000):
                match number % 3:
                    case 0:
                        answer = await noisy.get(NUMBERS)
                    case 1:
                        answer = await noisy.buy()
                    case _:
                        answer = await noisy.buy(key=f"k{number}")
                statuses.append(answer.status_code)
                await asyncio.sleep(0.01)

        async def buy() -> list[float]:
            took = []
            for _ in range(100):
                began = time.perf_counter()
                answer = await quiet.buy()
                took.append(time.perf_counter() - began)
                assert answer.status_code == 200, answer.text
            return took

        in_quiet = await buy()
        noise = asyncio.create_task(make_noise())
        in_noise = await buy()
        noise.cancel()
        await gateway.put_quotas(noisy, requests_per_second=0)
        await noisy.get(NUMBERS)
        costs = []
        for _ in range(5):
            await gateway.services.version.look()
            before = redis.round_trips, postgres.round_trips
            problem(await noisy.buy(), 429, "rate_limited")
            problem(await noisy.get(NUMBERS), 429, "rate_limited")
            costs.append((redis.round_trips - before[0], postgres.round_trips - before[1]))

    assert {200, 429} == set(statuses)
    assert (2, 0) in costs  # Of two requests; the version row may have been looked at meanwhile.
    record_property(
        "told",
        f"beside a noisy tenant {told(in_noise)}; without it {told(in_quiet)}; {len(statuses)} requests were noise",
    )


def told(took: list[float]) -> str:
    half, nearly_all = (sorted(took)[ceil(len(took) * share) - 1] * 1000 for share in (0.5, 0.99))
    return f"p50 {half:.0f} ms, p99 {nearly_all:.0f} ms"
