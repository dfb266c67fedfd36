"""Processes of the command `numbergate` from a program that has loaded it already: each is forked, not started.

Starting Python and loading what a command needs takes longer than most commands. A forked process is one of its own all
the same, with its own environment, directory, output and exit code.
"""

import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

LOADED = (
    "service.cli.doctor", "service.cli.main", "service.cli.processes", "service.cli.short_lists", "service.cli.stops",
    "service.wiring",
)  # fmt: skip
SECONDS = 90


class Forks:
    """The program, started when it is needed first."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[str] | None = None
        self._one_line_at_a_time = Lock()

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, or for `SECONDS`."""
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            os.mkfifo(home / "code")
            wanted = {
                "arguments": list(arguments),
                "environment": dict(environment),
                "cwd": str(Path.cwd()),
                "home": folder,
            }
            with self._one_line_at_a_time:
                if self._server is None:
                    self._server = subprocess.Popen([sys.executable, "-P", __file__], stdin=subprocess.PIPE, text=True)
                    atexit.register(self._server.communicate)
                assert self._server.stdin is not None
                print(json.dumps(wanted), file=self._server.stdin, flush=True)
            code = (home / "code").read_text()  # There is something to read when the command has ended.
            out, err = ((home / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(list(arguments), int(code), out, err)


def serve() -> None:
    """Fork for every line, until there are no more."""
    for module in LOADED:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for those who wait.
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            wanted = json.loads(line)
            child = os.fork()
            if child == 0:
                become(wanted)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            Path(wanted["home"], "code").write_text(str(code))
            os._exit(0)


def become(wanted: dict[str, Any]) -> NoReturn:
    """This process is the command from here on."""
    signal.alarm(SECONDS)
    home = Path(wanted["home"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(home / name, os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv = ["numbergate", *wanted["arguments"]]
    code = 1
    try:
        importlib.import_module("service.cli.main").run()
        code = 0
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        else:
            code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
