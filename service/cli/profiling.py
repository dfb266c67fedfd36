"""The group `profiles` of the command line; what they do is imported when one of them runs."""

import re
from pathlib import Path
from typing import Annotated

import typer

from service.cli.lists import Json

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

profiles = typer.Typer(no_args_is_help=True, help="Several gateways by name, for `--profile`; kept on this machine.")


def profile_name(text: str) -> str:
    """Raises: BadParameter."""
    if not NAME.fullmatch(text):
        raise typer.BadParameter("must be letters, digits, dots, dashes and underscores, to 64")
    return text


Name = Annotated[str, typer.Argument(parser=profile_name, metavar="NAME", help="What you call it.")]


@profiles.command("add")
def add_profile(
    name: Name,
    url: Annotated[str, typer.Option(help="The gateway, as https://numbergate.example.com.")],
    key_file: Annotated[
        Path | None, typer.Option(help="Read the key from here; else it is asked for, or read from a pipe.")
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Meant where no profile is named; the first one is.")
    ] = False,
) -> None:
    """Keep a gateway and its key under a name, or change what is kept."""
    from service.cli.profiles import run_add

    raise SystemExit(run_add(name, url, key_file, default=default))


@profiles.command("list")
def list_profiles(json: Json = False) -> None:
    """Those that are kept; no key is shown."""
    from service.cli.profiles import run_list

    raise SystemExit(run_list(json=json))


@profiles.command("use")
def use_profile(name: Name) -> None:
    """Have this one meant where no profile is named."""
    from service.cli.profiles import run_use

    raise SystemExit(run_use(name))


@profiles.command("remove")
def remove_profile(name: Name) -> None:
    """Forget one. Its key is good at the gateway still: revoke it there."""
    from service.cli.profiles import run_remove

    raise SystemExit(run_remove(name))
