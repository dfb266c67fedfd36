"""Prometheus' own tool, which reads rules and tries them."""

import os
import shutil
import subprocess

import pytest

INSTALL = ["apt-get", "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "prometheus"]


def promtool() -> str:
    if shutil.which("promtool") is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            pytest.skip("no promtool here, and no way to install one")
        if subprocess.run(INSTALL, capture_output=True).returncode:
            subprocess.run(["apt-get", "update"], capture_output=True, check=True)
            subprocess.run(INSTALL, capture_output=True, check=True)
    return shutil.which("promtool") or ""
