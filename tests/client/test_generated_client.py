"""A client that a generator makes of the OpenAPI document is whole, and buys a number."""

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.generated import document
from tests.http.serving import served
from tests.support.gateway import USER, Gateway

HERE = Path(__file__).parent
LOCK, CONFIG = HERE / "generator.lock", HERE / "generator.yaml"
BUYS = """
import importlib, json, pkgutil, sys

import gate
from gate import AuthenticatedClient
from gate.api.numbers import create_number, list_inventory, release_number
from gate.models import NumberBought, NumberCreate, Problem

modules = [one.name for one in pkgutil.walk_packages(gate.__path__, "gate.")]
for name in modules:
    importlib.import_module(name)
base_url, key, user_id = sys.argv[1:]
with AuthenticatedClient(base_url=base_url, token=key) as client:
    wish = NumberCreate(area_code="313", user_id=user_id, nickname="Generated")
    bought, again = (create_number.sync(client=client, body=wish, idempotency_key="generated") for _ in range(2))
    assert isinstance(bought, NumberBought) and bought == again, (bought, again)
    [listed] = list_inventory.sync(client=client).items
    assert (listed.id, listed.nickname) == (bought.id, "Generated"), listed
    refused = create_number.sync(client=client, body=NumberCreate(area_code="999", user_id=user_id))
    assert isinstance(refused, Problem) and refused.code == "invalid_area_code", refused
    assert release_number.sync(bought.phone_number, client=client).success
print(json.dumps({"modules": len(modules), "phone_number": bought.phone_number}))
"""


@pytest.fixture(scope="module")
def generator(request: pytest.FixtureRequest) -> Path:
    """The Python of an environment that has the generator, for it wants other versions than we do; made once."""
    cache: pytest.Cache = request.config.cache
    place = Path(cache.mkdir(f"generator-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"))
    python = place / "venv/bin/python"
    if not (place / "made").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, place / "venv"], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", LOCK], check=True
        )
        (place / "made").touch()
    return python


@pytest.mark.ci
@pytest.mark.timeout(600)
async def test_a_generated_client_is_whole_and_buys_a_number(generator: Path, gateway: Gateway, tmp_path: Path):
    (tmp_path / "openapi.json").write_text(json.dumps(document()))
    made = await run(
        generator.with_name("openapi-python-client"), "generate", "--path", "openapi.json", "--output-path", "gate",
        "--meta", "none", "--config", CONFIG, folder=tmp_path, path=generator.parent,
    )  # fmt: skip
    assert "warning" not in made.lower(), made
    tenant = await gateway.tenant()

    async with served(gateway) as port:
        told = await run(generator, "-c", BUYS, f"http://127.0.0.1:{port}", tenant.key, USER, folder=tmp_path)

    assert json.loads(told)["modules"] > 300
    assert [one["phone_number"] for one in await gateway.teli.purchases()] == [json.loads(told)["phone_number"]]


async def run(*words: str | Path, folder: Path, path: Path | None = None) -> str:
    """What a program says, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env={"PATH": f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin", "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()
