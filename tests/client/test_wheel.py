"""The client as those get it who install it: from the wheel, with its extra, where there is nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment
from tests.cli.pages import ROOT

# What httpx itself needs, whatever its version: an event loop's layer, HTTP, certificates, names of hosts.
OF_HTTPX = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "sniffio", "typing-extensions"}
PROGRAM = """
from datetime import datetime

from service.client import AsyncClient, Client, errors, verify


def bought(client: Client, user_id: str) -> tuple[str, datetime | None]:
    try:
        number = client.buy("313", user_id, tags=["sales"])
    except errors.QuotaExceeded as refused:
        raise SystemExit(refused.detail) from None
    client.admin.put_quotas("dialler", numbers_held=None)
    return number.phone_number, client.number(number.id).released_at


async def states(client: AsyncClient) -> list[str]:
    return [one.state async for one in client.numbers(state="active")]
"""
# What a type checker must find, for a client that is not typed passes everything.
WRONG = """
from service.client import Client


def wrong(client: Client) -> int:
    client.admin.put_quotas("dialler", numbers_hold=3)
    return client.buy("313", 5).phone_number
"""
LOADED = """
import json, sys
import service.client, service.client.webhooks, service.client.bodies
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - {*sys.stdlib_module_names, "__main__"})))
"""


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=100
    )


@pytest.mark.processes
@pytest.mark.ci
def test_the_wheel_with_its_extra_brings_httpx_alone_and_is_typed(tmp_path: Path):
    uv, there = Path(sys.executable).with_name("uv"), tmp_path / "venv" / "bin" / "python"
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")

    for words in (
        ("venv", "--quiet", "--python", sys.executable, tmp_path / "venv"),
        ("pip", "install", "--quiet", "--python", there, "--constraint", locked(tmp_path), f"{wheel}[client]"),
    ):
        ended = run(uv, *words, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr

    listed = run(uv, "pip", "list", "--quiet", "--format", "json", "--python", there, cwd=tmp_path)
    brought = {one["name"] for one in json.loads(listed.stdout)}
    assert {"httpx", "numbergate"} <= brought <= OF_HTTPX | {"numbergate"}
    loaded = run(there, "-c", LOADED, cwd=tmp_path)
    assert loaded.returncode == 0, loaded.stderr
    assert {one.replace("_", "-") for one in json.loads(loaded.stdout)} <= OF_HTTPX | {"service"}

    for name, program in (("right", PROGRAM), ("wrong", WRONG)):
        (tmp_path / f"{name}.py").write_text(program)
    checked = run(
        *(sys.executable, "-m", "mypy", "--strict", "--python-executable", there, "--cache-dir", tmp_path / "cache"),
        *("right.py", "wrong.py"),
        cwd=tmp_path,
    )
    found = re.findall(r"^(\w+\.py):\d+: error: .*\[([\w-]+)\]$", checked.stdout, re.MULTILINE)
    assert sorted(found) == [("wrong.py", "arg-type"), ("wrong.py", "call-arg"), ("wrong.py", "return-value")], (
        checked.stdout + checked.stderr
    )


def locked(folder: Path) -> Path:
    """The versions of the lock file, without the hashes, for the wheel has none."""
    pins = re.findall(r"^([\w.-]+==[^\s;\\]+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pins))
    return constraints
