"""A process of ours that is started before its configuration is known: it loads its code meanwhile.

    python -m service.cli.standby serve --fd 7

Then comes one line on stdin, a JSON object of environment variables, and it becomes `numbergate serve --fd 7`. Stdin
stays open for as long as the parent lives, and this process does not outlive it, however it ends.
"""

import json
import os
import sys
from importlib import import_module
from threading import Thread

from service.kit.garbage import collect_seldom

LOADED = {
    "serve": ("uvicorn", "uvloop", "service.app"),
    "worker": ("uvloop", "service.worker"),
    "simulator": ("service.simulator.__main__",),
}


def main() -> None:
    collect_seldom()
    for module in ("service.cli.main", *LOADED[sys.argv[1]]):
        import_module(module)
    line = sys.stdin.readline()
    if not line:
        return  # The parent gave up.
    os.environ.update(json.loads(line))
    Thread(target=_end_with_parent, daemon=True).start()

    from service.cli.main import run

    run()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
