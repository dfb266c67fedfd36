"""The groups `events` and `agents` of the command line; what they do is imported when one of them runs."""

from typing import Annotated

import typer

from service.cli.calling import Key
from service.cli.lists import Everything, Json, Url

Types = Annotated[
    list[str] | None, typer.Option("--type", help="Events of this name, or group as 'number.*'; repeat. All without.")
]
After = Annotated[str | None, typer.Option("--cursor", help="Go on where another reading ended.")]

events = typer.Typer(no_args_is_help=True, help="What changed: the feed.")
agents = typer.Typer(no_args_is_help=True, help="Agents that answer your numbers, or call from them.")


@events.command("list")
def list_events(
    types: Types = None,
    after: After = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Events, the oldest that is kept first, and the cursor behind the last."""
    from service.cli.told import run_list

    raise SystemExit(run_list(types, after, everything=everything, url=url, key=key, json=json))


@events.command("follow")
def follow_events(
    types: Types = None, after: After = None, json: Json = False, url: Url = None, key: Key = None
) -> None:
    """Events as they happen, until it is stopped; with --json a line each, for programs."""
    from service.cli.told import run_follow

    raise SystemExit(run_follow(types, after, url=url, key=key, json=json))


@agents.command("list")
def list_agents(
    organization: Annotated[str | None, typer.Option(help="Linked to numbers of this organisation.")] = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """By id, for how many numbers each is wanted, and how many Teli has confirmed."""
    from service.cli.told import run_agents

    raise SystemExit(run_agents(organization, everything=everything, url=url, key=key, json=json))
