"""The whole stack on one machine: engines, simulator, API and worker, each a process of its own, as in production."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from service.cli.children import Child, child, kept, patience_of_api
from service.cli.credentials import Credentials
from service.cli.faults import CannotStart
from service.cli.listening import listen
from service.embedded import EmbeddedPostgres, EmbeddedValkey, default_data_dir
from service.embedded.ports import free_port
from service.settings import Settings

READY_WITHIN = 60.0
# What the stack brings along itself, in place of whatever the environment says; the values only pass the checks.
BROUGHT = {
    "DATABASE_URL": "postgresql://localhost",
    "REDIS_URL": "redis://localhost",
    "TELI_BASE_URL": "http://localhost",
    "TELI_API_KEY": "the-simulators",
    "NUMBERGATE_SECRET": "kept in the data folder, made at the first start",
    "NUMBERGATE_TELI_TENANT_ID": "the vendor page's",
    "NUMBERGATE_KEY_ENVIRONMENT": "demo",
    "NUMBERGATE_OIDC_ISSUER": "",
    "NUMBERGATE_OIDC_CLIENT_ID": "",
    "NUMBERGATE_OIDC_CLIENT_SECRET": "",
    "NUMBERGATE_OIDC_ROLES": "",
    "NUMBERGATE_PUBLIC_URL": "",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """`inherited`: what our processes see of the environment. `teli_url`: another upstream than the simulator."""

    port: int
    data: Path
    inherited: dict[str, str]
    settings: Settings
    teli_url: str | None

    @classmethod
    def of(
        cls,
        environment: Mapping[str, str],
        *,
        port: int,
        data: Path | None,
        teli_url: str | None = None,
        teli_key: str | None = None,
        verbose: bool = False,
    ) -> "Wanted":
        """Raises: BadConfiguration, for what any process of the stack would refuse later."""
        brought = dict(BROUGHT)
        if teli_url is not None:
            brought["TELI_BASE_URL"] = teli_url
            del brought["TELI_API_KEY"]
            if teli_key is not None:
                brought["TELI_API_KEY"] = teli_key
        inherited = {name: value for name, value in environment.items() if name.removesuffix("_FILE") not in brought}
        inherited.setdefault("NUMBERGATE_LOG_LEVEL", "info" if verbose else "warning")
        settings = Settings.from_environment(inherited | brought)
        data = data or default_data_dir() / ("upstream" if teli_url else "simulated")
        return cls(port, data, inherited, settings, settings.teli_base_url if teli_url else None)


@dataclass(frozen=True, slots=True)
class Ready:
    """Where everything is, and the keys of the demo. Printed by `up --json`.

    `identity_provider_url` is None with another upstream than the simulator: there nobody logs in without a password.
    """

    base_url: str
    console_url: str
    teli_url: str
    teli_control_url: str | None
    database_url: str
    redis_url: str
    admin_key: str
    tenant_key: str
    finance_key: str
    operator_key: str
    metrics_url: str
    organization_id: str
    tenant_id: str
    user_id: str
    identity_provider_url: str | None


@asynccontextmanager
async def stack(wanted: Wanted, *, told: Callable[[str], None]) -> AsyncIterator[Ready]:
    """Everything started and ready to buy. `told` hears of each phase as it ends.

    Raises: CannotStart, EmbeddedError.
    """
    wanted.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as opened:
        listener = opened.enter_context(listen("127.0.0.1", wanted.port))
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # Our processes start first, for loading their code takes longest, and yet end before the engines.
        engines = await opened.enter_async_context(AsyncExitStack())
        simulator = None if wanted.teli_url else await opened.enter_async_context(_simulator(wanted))
        api = await opened.enter_async_context(_api(wanted, listener.fileno()))
        worker = await opened.enter_async_context(_worker(wanted))

        postgres = await engines.enter_async_context(EmbeddedPostgres(wanted.data))
        valkey = await engines.enter_async_context(EmbeddedValkey(wanted.data))
        told("PostgreSQL and Valkey")

        credentials = Credentials.of(wanted.data)
        teli_url, control_url, teli_key = wanted.settings.teli_base_url, None, ""
        if simulator is not None:
            teli_key = credentials.get("simulator_key", lambda: secrets.token_urlsafe(24))
            await simulator.begin({"TELI_SIMULATOR_KEY": teli_key})
            said = json.loads(await simulator.line())
            teli_url, control_url = said["url"], said["control_url"]
            told("the Teli simulator")
        else:
            teli_key = wanted.settings.teli_api_key.get_secret_value()

        from service.cli import provision  # Takes a second to load, which the processes above use.

        password = credentials.get("database_password", lambda: secrets.token_urlsafe(24))
        secret = credentials.get("secret", lambda: secrets.token_urlsafe(48))
        database_url = await provision.make_ledger(postgres, password)
        await provision.make_demo(database_url, secret, credentials, teli_url)
        told("the ledger")

        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": valkey.url,
            "TELI_BASE_URL": teli_url,
            "TELI_API_KEY": teli_key,
            "NUMBERGATE_SECRET": secret,
            "NUMBERGATE_TELI_TENANT_ID": provision.TELI_TENANT,
            "NUMBERGATE_KEY_ENVIRONMENT": provision.KEY_ENVIRONMENT,
            # There is nowhere else for callers to go.
            "NUMBERGATE_DRAIN_NOTICE": "0",
        }
        if wanted.settings.account_keys is None:
            made = credentials.get("account_keys", lambda: f"up:{base64.b64encode(secrets.token_bytes(32)).decode()}")
            environment["NUMBERGATE_ACCOUNT_KEYS"] = made
        if wanted.settings.webhook_networks is None:
            environment["NUMBERGATE_WEBHOOK_NETWORKS"] = "127.0.0.0/8,::1/128"
        people = None
        if simulator is not None:
            people = opened.enter_context(provision.demo_people(base_url))
            environment |= people.settings
        metrics_port = wanted.settings.metrics_port or free_port()
        await api.begin(environment | {"NUMBERGATE_METRICS_PORT": str(metrics_port)})
        await worker.begin(environment | {"NUMBERGATE_METRICS_PORT": ""})
        await _until_open(base_url, api, worker)
        told("API and worker")
        # Both are told to end before either is waited for; the simulator and the engines outlast them.
        opened.callback(_tell_to_end, api, worker)
        # The listener stays open here too: while the API is started again its callers wait, rather than being refused.
        await opened.enter_async_context(kept(api, worker))
        yield Ready(
            base_url=base_url,
            console_url=f"{base_url}/console",
            teli_url=teli_url,
            teli_control_url=control_url,
            database_url=database_url,
            redis_url=valkey.url,
            metrics_url=f"http://127.0.0.1:{metrics_port}/metrics",
            organization_id=provision.ORGANIZATION,
            tenant_id=provision.TENANT,
            user_id=provision.USER,
            identity_provider_url=people.issuer if people is not None else None,
            **{name: credentials.known[name] for name in ("admin_key", "tenant_key", "finance_key", "operator_key")},
        )


def _tell_to_end(*children: Child) -> None:
    for one in children:
        if one.process.returncode is None:
            one.process.terminate()


def _simulator(wanted: Wanted) -> AbstractAsyncContextManager[Child]:
    arguments = ["simulator", "--state", str(wanted.data / "teli.sqlite")]
    return child("simulator", arguments, wanted.inherited, patience=5, read_stdout=True)


def _api(wanted: Wanted, fd: int) -> AbstractAsyncContextManager[Child]:
    patience = patience_of_api(wanted.settings.answer_within)
    return child("API", ["serve", "--fd", str(fd)], wanted.inherited, patience=patience, fds=[fd])


def _worker(wanted: Wanted) -> AbstractAsyncContextManager[Child]:
    return child("worker", ["worker"], wanted.inherited, patience=20)


async def _until_open(base_url: str, api: Child, worker: Child) -> None:
    """Until purchases are open: the API answers and the worker has listed the account. Raises: CannotStart."""
    import httpx

    from service.cli import loopback  # As above.

    until = time.monotonic() + READY_WITHIN
    state = "the API does not answer"
    async with loopback.client(timeout=2) as http:
        while time.monotonic() < until:
            api.check()
            worker.check()
            try:
                answer = await http.get(f"{base_url}/readyz")
                state = f"purchases are {answer.json()['purchases']}"
                if answer.status_code == 200 and state == "purchases are open":
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.02)
    raise CannotStart(f"not ready within {READY_WITHIN:.0f} seconds: {state}; what hinders it stands above")
