"""What hinders a command, told in a line each on stderr, and the exit codes."""

import os
import sys
from typing import TypeVar

from service.settings import BadConfiguration, FromEnvironment

Read = TypeVar("Read", bound=FromEnvironment)
FAILED = 1
BAD_CONFIGURATION = 2
BROKEN_OFF = 130


class CannotStart(Exception):
    """What was asked for cannot run; the text says why, and what to do."""


def failed(why: object) -> int:
    print(f"numbergate: {why}", file=sys.stderr)
    return FAILED


def told_faults(bad: BadConfiguration) -> int:
    for fault in bad.faults:
        print(f"configuration: {fault}", file=sys.stderr)
    return BAD_CONFIGURATION


def settings_or_exit(kind: type[Read]) -> Read:
    """The settings; or one line for each fault on stderr and exit code 2, before anything starts."""
    try:
        return kind.from_environment(os.environ)
    except BadConfiguration as bad:
        raise SystemExit(told_faults(bad)) from None
