"""Chromium, of the system's package; installed where it is absent."""

import shutil
import subprocess
from pathlib import Path

PLACE = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str:
    """Its path. Raises: RuntimeError where there is none, and no way to install it."""
    if not PLACE.exists():
        apt = shutil.which("apt-get")
        if apt is None:
            raise RuntimeError("Install Chromium as /usr/bin/chromium: the tests in a browser need it.")
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run([apt, *arguments], check=True, capture_output=True, timeout=600)
    return str(PLACE)
