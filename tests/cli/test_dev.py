"""`./dev` before it has anything to run with: a copy of it, with stand-ins for Python."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from .command import environment
from .pages import ROOT

pytestmark = pytest.mark.ci

# Stand-ins that note how they are called: a Python that, as a venv's, serves pip and runs what it is given, and the uv
# that pip brings.
PYTHON = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in
*version_info*) exit {too_old} ;;
*ensurepip*) exit {no_venv} ;;
*flock*) exec python3 "$@" ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*"pip install"*) cp "$UV" "${{0%/*}}/uv" ;;
esac
"""
UV = """#!/bin/sh
echo "uv $@" >>"$CALLS"
sleep {slow}; exit {broken}
"""


class Checkout:
    """A checkout in a folder whose name has a space, and a Python that behaves as told."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.root.mkdir()
        shutil.copy(ROOT / "dev", self.root)
        for name in ("requirements-dev.lock", "pyproject.toml"):
            (self.root / name).write_text(name)
        self.bin, self.calls = folder / "bin", folder / "calls"
        self.bin.mkdir()
        self.environment = environment(
            {"PYTHON": str(self.bin / "python"), "UV": str(self.bin / "the uv"), "CALLS": str(self.calls)}
        )
        self.python()

    def python(self, *, too_old: int = 0, no_venv: int = 0, broken: int = 0, slow: int = 0) -> None:
        stand_ins = {
            "python": PYTHON.format(too_old=too_old, no_venv=no_venv),
            "the uv": UV.format(broken=broken, slow=slow),
        }
        for name, stand_in in stand_ins.items():
            (self.bin / name).write_text(stand_in)
            (self.bin / name).chmod(0o755)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["sh", str(self.root / "dev"), *arguments],
            cwd="/",
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def dev(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def installs(self) -> int:
        """How often the locked dependencies were installed."""
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        return sum(call.startswith("uv pip install") and "--require-hashes" in call for call in calls)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    if shutil.which("uv"):
        pytest.skip("with uv it does not ask Python's own venv")
    return Checkout(tmp_path)


def test_without_arguments_it_tells_what_it_can_do(checkout: Checkout):
    code, _, told = checkout.dev()

    assert code == 2
    assert "./dev demo" in told
    assert checkout.installs() == 0


def test_it_installs_once_says_so_on_stderr_alone_and_runs_what_it_is_given(checkout: Checkout):
    assert checkout.dev("demo", "--once") == (
        0,
        "",
        "dev: installing what requirements-dev.lock says into .venv\n",
    )
    assert checkout.calls.read_text().splitlines()[-1] == "-P -m service demo --once"
    assert checkout.dev("up") == (0, "", "")
    assert checkout.installs() == 1


@pytest.mark.parametrize("name", ["requirements-dev.lock", "pyproject.toml"])
def test_it_installs_again_when_what_is_to_be_installed_changed(checkout: Checkout, name: str):
    checkout.dev("up")
    (checkout.root / name).write_text("something else")

    checkout.dev("up")

    assert checkout.installs() == 2


def test_it_installs_again_where_the_checkout_was_moved(checkout: Checkout):
    checkout.dev("up")
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))

    checkout.dev("up")

    assert checkout.installs() == 2


def test_a_broken_installation_is_told_and_made_anew_the_next_time(checkout: Checkout):
    checkout.python(broken=1)
    code, out, err = checkout.dev("up")
    assert (code, out) == (1, "")
    assert err.endswith("dev: could not install; see above\n")

    checkout.python()
    assert checkout.dev("up")[0] == 0
    assert checkout.installs() == 2


def test_an_interrupted_installation_is_made_anew(checkout: Checkout):
    checkout.python(slow=5)
    running = checkout.start("up")
    while checkout.installs() == 0:
        time.sleep(0.01)
    running.kill()
    running.communicate()

    checkout.python()
    assert checkout.dev("up")[0] == 0
    assert checkout.installs() == 2


def test_two_at_once_install_once(checkout: Checkout):
    checkout.python(slow=1)
    both = [checkout.start("up"), checkout.start("up")]

    assert [(process.communicate(timeout=60)[0], process.returncode) for process in both] == [("", 0), ("", 0)]
    assert checkout.installs() == 1


def test_a_python_that_is_too_old_is_told_in_one_line(checkout: Checkout):
    checkout.python(too_old=1)

    code, out, err = checkout.dev("up")

    assert (code, out) == (1, "")
    [line] = err.splitlines()
    assert "install python3.11" in line


def test_a_python_without_venv_is_told_in_one_line(checkout: Checkout):
    checkout.python(no_venv=1)

    code, out, err = checkout.dev("up")

    assert (code, out) == (1, "")
    assert "apt install python3-venv" in err.splitlines()[0]
