"""Real parts for every test: one Postgres, one Valkey and one simulator a session, an empty database a test.

What is marked `every_redis` runs on Redis 7 and on a cluster of three Valkeys too, by `./dev test --ci`.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import asyncpg
import hypothesis
import pytest

from service import kv as redis_client
from service.embedded import EmbeddedPostgres, EmbeddedValkey, temporary_data_dir
from service.kv import KeyValue
from service.migrations import migrate
from service.numbers.operations import Operations
from service.observability.logs import configure_logs
from service.outbox.feed import Feed
from service.settings import Settings
from service.teli.client import TeliClient
from service.tenants.accounts import ensure_account
from service.wiring import assemble, exporting
from tests.simulator.control import SimulatorControl
from tests.simulator.program import KEY, Simulator
from tests.support.gateway import TELI_TENANT, Gateway
from tests.support.identity_provider import Provider
from tests.support.leaks import keep_secret, keep_secrets_of, pytest_runtest_makereport
from tests.support.ledgers import KeptDatabases, SharedLedger
from tests.support.redis_servers import KINDS, Redis7, RedisServers, connected, valkey_cluster
from tests.support.simulated_time import SimulatedPostgres, simulated_postgres

__all__ = ["pytest_runtest_makereport"]
configure_logs(form="json", level="warning", secrets=[KEY])

# The same examples on every run; with `./dev test --ci` more, and with `--full` many more, others each time, and a blob
# to repeat a failure by.
hypothesis.settings.register_profile("default", derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("ci", max_examples=500, database=None, deadline=None, print_blob=True)
hypothesis.settings.register_profile("deep", max_examples=2000, database=None, deadline=None, print_blob=True)
hypothesis.settings.load_profile("default")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that a test measured: what it records as the property "told" stands at the end of every run."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "told":
                terminalreporter.write_line(str(value))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("every_redis") and "redis_servers" in metafunc.fixturenames:
        first, *others = KINDS
        kinds = [first, *(pytest.param(kind, marks=pytest.mark.ci) for kind in others)]
        metafunc.parametrize("redis_servers", kinds, indirect=True)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is waited for, however busy the machine is: for tests of what it answers, and not of its absence."""
    for name in ("socket_timeout", "socket_connect_timeout"):
        monkeypatch.setitem(redis_client.OPTIONS, name, 60)
    monkeypatch.setattr(redis_client, "LONGEST", 60)


TEMPLATE = "template_numbergate"
SECRET = "a secret of the tests, long enough to be one"
ACCOUNT_KEYS = f"tests:{base64.b64encode(bytes(32)).decode()}"
keep_secret(SECRET, KEY)


@dataclass(frozen=True)
class Engines:
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey


@pytest.fixture(scope="session")
async def engines() -> AsyncIterator[Engines]:
    with temporary_data_dir() as data:
        async with EmbeddedPostgres(data, fast=True) as postgres, EmbeddedValkey(data) as valkey:
            keep_secrets_of({"DATABASE_URL": postgres.superuser_url(), "REDIS_URL": valkey.url})
            yield Engines(postgres, valkey)


@pytest.fixture(scope="session")
async def redis_7() -> AsyncIterator[RedisServers]:
    with temporary_data_dir() as data:
        async with Redis7(data) as redis:
            yield RedisServers([redis])


@pytest.fixture(scope="session")
async def valkeys_as_cluster() -> AsyncIterator[RedisServers]:
    with temporary_data_dir() as data:
        async with valkey_cluster(data) as cluster:
            yield cluster


@pytest.fixture
def redis_servers(request: pytest.FixtureRequest, engines: Engines) -> RedisServers:
    """What the test has as its Redis: the embedded Valkey, where it does not ask for others by a mark."""
    match getattr(request, "param", "valkey"):
        case "redis":
            found: RedisServers = request.getfixturevalue("redis_7")
        case "cluster":
            found = request.getfixturevalue("valkeys_as_cluster")
        case _:
            found = RedisServers([engines.valkey])
    return found


@pytest.fixture(scope="session")
async def template(engines: Engines) -> str:
    """A migrated database, to be copied."""
    await execute(engines, f"CREATE DATABASE {TEMPLATE}")
    await migrate(engines.postgres.superuser_url(TEMPLATE))
    return TEMPLATE


async def execute(engines: Engines, statement: str) -> None:
    connection = await asyncpg.connect(engines.postgres.superuser_url())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


NAMES = count(1)
DATABASES = KeptDatabases()


@asynccontextmanager
async def fresh_database(engines: Engines, template: str) -> AsyncIterator[str]:
    """A superuser's URL of a fresh, migrated database that lives on beside others."""
    name = f"test_{next(NAMES)}"
    await execute(engines, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield engines.postgres.superuser_url(name)
    await execute(engines, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shared_ledger(engines: Engines, template: str) -> SharedLedger:
    return SharedLedger(engines.postgres, template)


@pytest.fixture
async def database_url(shared_ledger: SharedLedger) -> str:
    """A superuser's URL of a database as the migrations leave it; our processes take on their roles by themselves."""
    await shared_ledger.empty()
    return shared_ledger.url


@pytest.fixture(scope="session")
async def simulated(engines: Engines) -> AsyncIterator[SimulatedPostgres]:
    """A migrated database in virtual time."""
    async with simulated_postgres(engines.postgres) as opened:
        yield opened


@pytest.fixture(scope="session")
def teli_process() -> Iterator[Simulator]:
    running = Simulator()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """An identity provider, where people log in."""
    running = Provider()
    yield running
    running.stop()


@pytest.fixture
async def teli(teli_process: Simulator) -> AsyncIterator[SimulatorControl]:
    """The control interface of a simulator that was reset."""
    async with SimulatorControl(teli_process.control_url) as control:
        await control.reset()
        yield control


@pytest.fixture
def patient_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No purchase is refused for a machine that took longer than a second from its admission to its first byte."""
    monkeypatch.setattr("service.numbers.ledger.SEND_WITHIN", 5.0)


OpenGateway = Callable[..., Any]


def gateways(redis_url: str, database_url: str, teli_process: Simulator, teli: SimulatorControl) -> OpenGateway:
    """Opens gateways on one ledger: `async with open_gateway(answer_within=1) as gateway`.

    Any setting can be changed by its name; `api_database_url` is another way to the ledger, for the API alone.
    """

    @asynccontextmanager
    async def opened(*, api_database_url: str | None = None, **changed: Any) -> AsyncIterator[Gateway]:
        settings = Settings.model_validate(
            {
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "TELI_BASE_URL": teli_process.url,
                "TELI_API_KEY": KEY,
                "NUMBERGATE_SECRET": SECRET,
                "NUMBERGATE_ACCOUNT_KEYS": ACCOUNT_KEYS,
                "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
                "NUMBERGATE_UPSTREAM_TIMEOUT": 10,
                # All of a test's strangers come from one address.
                "NUMBERGATE_FAILED_AUTHENTICATIONS": 1_000_000,
                **{str(Settings.model_fields[name].alias): value for name, value in changed.items()},
            }
        )
        async with AsyncExitStack() as stack:
            url = settings.database_url.get_secret_value()
            api = await stack.enter_async_context(
                DATABASES.opened(api_database_url or url, "numbergate_api", pool=20, pooler=settings.database_pooler)
            )
            worker = await stack.enter_async_context(DATABASES.opened(url, "numbergate_worker", pool=5))
            kv = KeyValue.open(settings.redis_url.get_secret_value())
            client = TeliClient(settings.teli_base_url, KEY, listen=settings.upstream_timeout)
            for close in (kv.close, client.close):
                stack.push_async_callback(close)
            await ensure_account(worker, base_url=settings.teli_base_url, teli_tenant_id=TELI_TENANT)
            exports = await stack.enter_async_context(exporting(settings, "numbergate_api"))
            at_work = await stack.enter_async_context(exporting(settings, "numbergate_worker"))
            gateway = Gateway(
                assemble(settings, api, kv, client, exports),
                assemble(settings, worker, kv, client, at_work),
                settings,
                teli,
            )
            await gateway.prepare()
            watch = asyncio.create_task(gateway.services.version.run())
            stack.callback(watch.cancel)
            stack.push_async_callback(gateway.close)
            yield gateway

    return opened


@pytest.fixture
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever polls for up to a minute, as requests drawn at random do, is answered in a moment."""

    def shortened(poll: Callable[..., Any]) -> Callable[..., Any]:
        def polled(*args: Any, wait: float = 0, **named: Any) -> Any:
            return poll(*args, wait=min(wait, 0.1), **named)

        return polled

    for polled, name in ((Feed, "page"), (Operations, "get")):
        monkeypatch.setattr(polled, name, shortened(getattr(polled, name)))


@pytest.fixture
async def open_gateway(
    redis_servers: RedisServers, database_url: str, teli_process: Simulator, teli: SimulatorControl
) -> OpenGateway:
    async with connected(redis_servers.url) as redis:
        await redis.flushall()
    return gateways(redis_servers.url, database_url, teli_process, teli)


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    async with open_gateway() as opened:
        yield opened


@pytest.fixture
async def tenant(gateway: Gateway) -> Any:
    return await gateway.tenant()
