"""The simulator as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

KEY = "teli-test-key"


class Simulator:
    """A running simulator, ready when constructed. It is started as an operator would start it."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.simulator", *map(str, arguments)],
            env={**os.environ, "TELI_SIMULATOR_KEY": KEY},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.url: str = ready["url"]
        self.control_url: str = ready["control_url"]

    def stop(self) -> int:
        """End it by SIGTERM; answers its exit code."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until it has ended by itself; answers its exit code."""
        code = self.process.wait(timeout=5)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code
