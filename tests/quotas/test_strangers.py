"""Keys that are refused are counted by address: after too many the next are told to wait. A good key never is."""

from ipaddress import ip_address
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from service.kit import clock
from service.kit.errors import ServiceError
from service.kit.networks import Address
from service.kv import KeyValue
from service.observability.metrics import AUTHENTICATION_FAILURES
from service.quotas import strangers as module
from service.quotas.strangers import Strangers, TooManyFailures, origin_of
from service.tenants.keys import ExpiredKey, RevokedKey, make_key
from tests.conftest import Engines, OpenGateway
from tests.fakes.both import Still
from tests.http.refusals import nothing_happens, problem
from tests.support.gateway import AUTHOR, CREATE, Gateway
from tests.support.wire import Wire

# In a minute, so that none of them comes back while a test runs that does not wait.
MOST = 5
HERE, THERE = ip_address("203.0.113.9"), ip_address("198.51.100.7")


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Still:
    found = Still()
    monkeypatch.setattr(clock, "source", found)
    return found


def alone(*, most: int = MOST, replicas: int = 1) -> Strangers:
    """Without Redis."""
    return Strangers(KeyValue.open("redis://127.0.0.1:1"), most=most, replicas=replicas)


async def told(strangers: Strangers, address: Address | None = HERE) -> bool:
    """Whether a stranger is told what is wrong with its key, and not to wait."""
    error = RevokedKey()
    answer = await strangers.refusal(address, error)
    assert answer is error or isinstance(answer, TooManyFailures)
    return answer is error


async def test_so_many_failures_of_an_address_are_told_and_then_one_for_each_part_of_a_minute(still: Still):
    strangers = alone()
    assert [await told(strangers) for _ in range(8)] == [True] * MOST + [False] * 3
    assert await told(strangers, THERE), "another address is another count"
    still.pass_time(11.9)
    assert not await told(strangers)
    still.pass_time(0.2)
    assert [await told(strangers) for _ in range(3)] == [True, False, False]
    still.pass_time(60)
    assert [await told(strangers) for _ in range(MOST + 1)] == [True] * MOST + [False]


async def test_the_time_to_wait_is_when_the_next_is_told(still: Still):
    strangers = alone()
    waits = []
    for _ in range(MOST + 2):
        answer: ServiceError = await strangers.refusal(HERE, ExpiredKey())
        waits.append(answer.headers.get("Retry-After"))
        if answer.status == 429:
            still.pass_time(5)
    assert waits == [None] * MOST + ["12", "7"]
    still.pass_time(2.1)
    assert await told(strangers)


async def test_a_check_counts_nothing_and_says_when_the_next_failure_is_told(still: Still):
    strangers = alone()
    for _ in range(MOST):
        await strangers.check(HERE)
        assert await told(strangers)
    for _ in range(2):
        with pytest.raises(TooManyFailures) as raised:
            await strangers.check(HERE)
        assert raised.value.headers["Retry-After"] == "12"
    await strangers.check(THERE)
    still.pass_time(12.1)
    await strangers.check(HERE)
    assert [await told(strangers) for _ in range(2)] == [True, False]


@pytest.mark.usefixtures("patient")
async def test_a_check_knows_what_another_process_counted(open_gateway: OpenGateway):
    async with open_gateway(failed_authentications=MOST) as one, open_gateway(failed_authentications=MOST) as two:
        for _ in range(MOST):
            await two.services.strangers.check(HERE)
            assert await told(one.services.strangers)
        with pytest.raises(TooManyFailures):
            await two.services.strangers.check(HERE)
        await two.services.strangers.check(THERE)


async def test_each_process_lets_through_its_share_where_none_counts_for_all(still: Still):
    assert [await told(alone(most=12, replicas=4)) for _ in range(1)] == [True]
    strangers = alone(most=12, replicas=4)
    assert [await told(strangers) for _ in range(5)] == [True] * 3 + [False] * 2


async def test_the_log_has_each_address_once_a_minute_and_the_metrics_all(still: Still):
    def counted(throttled: str) -> float:
        value: float = AUTHENTICATION_FAILURES.labels("revoked_key", throttled)._value.get()
        return value

    strangers, before = alone(), (counted("false"), counted("true"))
    with capture_logs() as logs:
        for address in (HERE, THERE):
            for _ in range(MOST + 10):
                await told(strangers, address)
        assert [line["address"] for line in logs] == [str(HERE), str(THERE)]
        assert {line["event"] for line in logs} == {"too many keys refused"}
        still.pass_time(61)
        for _ in range(MOST + 10):
            await told(strangers)
        assert len(logs) == 3
    assert (counted("false") - before[0], counted("true") - before[1]) == (3 * MOST, 30)


async def test_who_has_ipv6_has_many_addresses_and_is_one():
    assert (
        origin_of(ip_address("2001:db8:0:1::1")) == origin_of(ip_address("2001:db8:0:1:ffff::2")) == "2001:db8:0:1::/64"
    )
    assert origin_of(ip_address("2001:db8:0:2::1")) != origin_of(ip_address("2001:db8:0:1::1"))
    assert (origin_of(HERE), origin_of(None)) == ("203.0.113.9", "unknown")


async def test_only_so_many_addresses_are_remembered(still: Still, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_ORIGINS", 10)
    strangers = alone(most=1)
    assert [await told(strangers) for _ in range(2)] == [True, False]
    for number in range(10):
        await strangers.refusal(ip_address(number), RevokedKey())
    assert len(strangers._origins) == 10
    assert await told(strangers), "without Redis, who was forgotten begins anew"


async def refused(gateway: Gateway, key: str, path: str = "/v1/numbers", **headers: str) -> tuple[int, str]:
    answer = await gateway.http.get(path, headers={"X-API-Key": key, **headers})
    code = answer.json().get("code", "")
    if code == "rate_limited":
        told = problem(answer, 429, code)
        assert int(answer.headers["retry-after"]) >= 1
        assert "quota" not in told, "it is no limit of a tenant"
        assert "www-authenticate" not in answer.headers
    return answer.status_code, code


@pytest.mark.usefixtures("patient")
async def test_a_good_key_is_answered_however_many_fail_beside_it_and_costs_redis_nothing_more(
    open_gateway: OpenGateway, engines: Engines
):
    limit: dict[str, Any] = {"failed_authentications": MOST}
    async with (
        Wire(engines.valkey.url) as redis,
        open_gateway(redis_url=redis.url, **limit) as one,
        open_gateway(redis_url=redis.url, **limit) as two,
    ):
        tenant = await one.tenant()
        wrong = tenant.key[:-1] + ("0" if tenant.key[-1] != "0" else "1")
        # Told apart offline, and by the ledger, and a body that cannot be read besides: each counts once.
        for key, path in ((wrong, "/v1/numbers"), ("x", "/v1/quotas?x=1"), (make_key("live"), "/v1/operations/x")):
            assert await refused(one, key, path) == (401, "invalid_key")
        bad = await one.http.post(CREATE, content=b"{", headers={"X-API-Key": wrong})
        problem(bad, 401, "invalid_key")
        for _ in range(20):
            problem(await one.http.get("/v1/numbers"), 401, "missing_key")
        assert await refused(two, make_key("live")) == (401, "invalid_key"), "the fifth, by another process"

        async with nothing_happens(one):
            for gateway in (one, two):
                assert await refused(gateway, wrong) == (429, "rate_limited")
                before = redis.round_trips
                for _ in range(3):
                    assert await refused(gateway, make_key("live")) == (429, "rate_limited")
                    assert (await gateway.http.get("/v1/numbers", headers={"X-API-Key": tenant.key})).is_success
                assert redis.round_trips == before
            problem(await one.http.post(CREATE, headers={"X-API-Key": wrong}), 429, "rate_limited")
        assert (await tenant.buy(key="k")).status_code == 200
        # A key that is good, and becomes one no more, is told so by nobody.
        await one.services.administration.revoke_key(AUTHOR, (await one.services.principals.of(tenant.key)).key_id)
        await one.services.version.look()
        assert await refused(one, tenant.key) == (429, "rate_limited")


@pytest.mark.usefixtures("patient")
async def test_behind_a_trusted_proxy_each_client_has_its_own_count(open_gateway: OpenGateway):
    async with open_gateway(failed_authentications=1, trusted_proxies="127.0.0.1/32") as gateway:
        tenant = await gateway.tenant()
        for address, status in ((HERE, 401), (HERE, 429), (THERE, 401), (THERE, 429), (HERE, 429)):
            assert (await refused(gateway, "x", **{"X-Forwarded-For": f"1.2.3.4, {address}"}))[0] == status
        assert (await refused(gateway, tenant.key, **{"X-Forwarded-For": str(HERE)}))[0] == 200


@pytest.mark.usefixtures("patient")
async def test_a_key_used_from_outside_its_networks_counts_as_a_failure(open_gateway: OpenGateway):
    async with open_gateway(failed_authentications=2) as gateway:
        tenant = await gateway.tenant()
        body = {"name": "K", "scopes": ["numbers:read"], "networks": ["203.0.113.0/24"]}
        issued = await gateway.admin.send("POST", f"/v1/admin/tenants/{tenant.id}/keys", json=body)
        answers = [await refused(gateway, issued.json()["key"]) for _ in range(3)]
        assert answers == [(403, "network_not_allowed")] * 2 + [(429, "rate_limited")]
        inside = httpx.ASGITransport(app=gateway.app, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=inside, base_url="http://numbergate") as http:
            good = await http.get("/v1/numbers", headers={"X-API-Key": issued.json()["key"]})
        assert good.status_code == 200
