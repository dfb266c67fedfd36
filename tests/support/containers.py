"""Podman, where it is as Debian has it: images built and run by an engine of containers, without a registry.

No image can be fetched, so the one that ours is built on is made here, of Debian's own packages.
"""

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from venv import EnvBuilder

from tests.support.debian import program

# The Debian whose Python is that of the image.
RELEASE, PYTHON = "trixie", "3.13"
# What docs/deploy.md says of a process: nothing of the image is written, and nothing is allowed.
CONFINED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777,noexec,nosuid")
# A process of the tests may not give others more than it has; the engine's own defaults are more.
AS_MANY = ("--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")


def checked(*command: str | Path, within: float = 600) -> str:
    """Run a program to its end; what it printed."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=within)
    assert ended.returncode == 0, f"{command}\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}"
    return ended.stdout


class Engine:
    """Podman with images and containers of its own, in a folder that goes with the tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        podman = program("podman", "podman")
        program("runc", "runc")
        # Neither systemd nor cgroups of the second version are asked for: build machines often have neither.
        self._podman = [podman, f"--root={folder}/storage", f"--runroot={folder}/run", "--runtime=runc"]
        self._podman.append("--cgroup-manager=cgroupfs")

    def close(self) -> None:
        """Leave nothing: it mounts its own store, which would keep the folder there."""
        self("system", "reset", "--force")
        mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in sorted((one for one in mounted if Path(one).is_relative_to(self._folder)), reverse=True):
            checked("umount", place)

    def __call__(self, *arguments: str | Path, within: float = 600) -> str:
        return checked(*self._podman, *arguments, within=within)

    def code(self, *arguments: str) -> int:
        """The exit code."""
        return subprocess.run([*self._podman, *arguments], capture_output=True, timeout=120).returncode

    def inspect(self, image: str) -> dict[str, Any]:
        [found] = json.loads(self("image", "inspect", image))
        return dict(found)

    def run(self, image: str, *arguments: str, options: Sequence[str] = (), variables: Mapping[str, str] = {}) -> str:
        """Run it as it is deployed, on this machine's network; what it printed, or the name where it is detached."""
        given = [f"--env={name}={value}" for name, value in variables.items()]
        return self("run", "--pull=never", "--network=host", *CONFINED, *AS_MANY, *given, *options, image, *arguments)


def make_python_image(engine: Engine, folder: Path, name: str) -> None:
    """An image with Debian and its Python, where the official ones have theirs, under any name."""
    root = folder / "debian"
    packages = "--include=python3,python3-venv,ca-certificates"
    checked(program("debootstrap", "debootstrap"), "--variant=minbase", packages, RELEASE, root)
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    pip = root / "usr/local/bin/pip"
    pip.write_text('#!/bin/sh\nexec python3 "$(echo /usr/share/python-wheels/pip-*.whl)/pip" "$@"\n')
    pip.chmod(0o755)
    archive = folder / "debian.tar"
    checked("tar", "--one-file-system", "-C", root, "-cf", archive, ".")
    engine("import", archive, name)
    archive.unlink()


def download_wheels(requirements: Path, folder: Path) -> None:
    """Every wheel of a lock file, for that Python on a machine like this, by this machine's own ways to the index."""
    EnvBuilder(with_pip=True).create(folder / "venv")
    of = [f"--platform=manylinux_2_{libc}_{platform.machine()}" for libc in (28, 17)]
    abi = ["--implementation=cp", f"--abi=cp{PYTHON.replace('.', '')}", "--abi=abi3", "--abi=none", "--platform=any"]
    pip = [folder / "venv/bin/python", "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    exactly = ["--no-deps", "--only-binary=:all:", "--require-hashes", f"--python-version={PYTHON}"]
    checked(*pip, *exactly, *abi, *of, "--dest", folder / "wheels", "--requirement", requirements)
