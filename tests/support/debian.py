"""Programs of Debian's packages that tests need."""

import os
import shutil
import subprocess

import pytest


def program(name: str, package: str) -> str:
    """Its path, installed where it is missing and may be; else the test is skipped."""
    # Debian has some in a folder that is on a superuser's path only.
    places = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if shutil.which(name, path=places) is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            pytest.skip(f"no {name} here, and no way to install Debian's {package}")
        install = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", package]
        if subprocess.run(install, capture_output=True).returncode:
            subprocess.run(["apt-get", "update"], capture_output=True, check=True)
            subprocess.run(install, capture_output=True, check=True)
    return shutil.which(name, path=places) or ""
