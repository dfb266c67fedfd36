"""`./dev bench`: what the gateway takes for each thing that it does, as ratios within one run.

Without a name, or with those of paths: `tests.bench.paths`. Others have benches of their own: `inventory`, searches of
a large one; `billing`, a month that is closed and an invoice that is matched; `console`, pages in a browser;
`reservations`, ways to hold a quota, and what row-level security costs a listing.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from tests.bench import console, reservations
from tests.bench.billing import command as billing
from tests.bench.inventory import command as inventory
from tests.bench.paths import command as paths

Bench = tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], Awaitable[Any]]]
BENCHES: dict[str, Bench] = {
    "inventory": (inventory.parser_into, inventory.inventory),
    "billing": (billing.parser_into, billing.billing),
    "console": (console.parser_into, console.console),
    "reservations": (reservations.parser_into, reservations.reservations),
}


def main() -> None:
    name, arguments = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    # A path of that name is told as a line of JSON: `--json` there, and with a file the bench's own report.
    if name in BENCHES and arguments != ["--json"]:
        into, bench = BENCHES[name]
    else:
        into, bench, arguments = paths.parser_into, paths.paths, sys.argv[1:]
    parser = argparse.ArgumentParser(prog=f"./dev bench {name if into is not paths.parser_into else ''}".rstrip())
    into(parser)
    try:
        asyncio.run(bench(parser.parse_args(arguments)))
    except KeyboardInterrupt:
        print("stopped; what was started is gone", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None


if __name__ == "__main__":
    main()
