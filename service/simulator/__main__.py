"""`python -m service.simulator`: run the simulator until SIGTERM or SIGINT."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from service.simulator.options import ORGANIZATION, TENANT, USER, Options
from service.simulator.process import CannotStart, run


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one line; `--help` has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def port(text: str) -> int:
    """Raises: ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, and is {text}")
    return int(text)


def main() -> int:
    parser = Parser(prog="numbergate simulator", description="A simulated Teli on 127.0.0.1.")
    parser.add_argument("--port", type=port, default=0, help="port of Teli's API; 0 takes a free one")
    parser.add_argument(
        "--control-port", type=port, default=0, help="port of the control interface; 0 takes a free one"
    )
    parser.add_argument("--key", default=os.environ.get("TELI_SIMULATOR_KEY"), help="or TELI_SIMULATOR_KEY")
    parser.add_argument("--tenant", default=TENANT, help="tenant_id that the key belongs to")
    parser.add_argument("--organization", default=ORGANIZATION, help="unique_id of the seeded organisation")
    parser.add_argument("--user", default=USER, help="unique_id of the seeded user")
    parser.add_argument("--state", type=Path, help="SQLite file that outlives the process; without it, memory")
    parser.add_argument("--strict", action="store_true", help="refuse what Teli's documents do not show")
    given = parser.parse_args()
    if not given.key:
        parser.error("a Teli API key is needed: --key, or the environment variable TELI_SIMULATOR_KEY")
    options = Options(
        key=given.key,
        port=given.port,
        control_port=given.control_port,
        tenant=given.tenant,
        organization=given.organization,
        user=given.user,
        state=given.state,
        strict=given.strict,
    )
    try:
        return run(options)
    except CannotStart as hindrance:
        parser.error(str(hindrance))


if __name__ == "__main__":
    sys.exit(main())
