"""The group `webhooks` of the command line; what it does is imported when one of its commands runs."""

from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from service.cli.calling import Key
from service.cli.lists import Everything, Json, Url, Yes, own_id

EndpointId = Annotated[UUID, typer.Argument(parser=own_id, metavar="ENDPOINT", help="As `list` shows it.")]
Target = Annotated[str, typer.Argument(metavar="URL", help="https, at an address that all can reach.")]
Types = Annotated[
    list[str] | None, typer.Option("--type", help="Events of this name, or group as 'number.*'; repeat. All without.")
]
Description = Annotated[str | None, typer.Option(help="What it is for.")]
State = Annotated[Literal["waiting", "delivered", "given_up"] | None, typer.Option(help="Only these.")]
Since = Annotated[str | None, typer.Option(help="All events since this time, as 2026-11-23T16:58:52Z.")]
Delivery = Annotated[UUID | None, typer.Option(parser=own_id, metavar="ID", help="This one, as `deliveries` shows it.")]
Overlap = Annotated[int, typer.Option(help="Seconds for which the secret before signs too.", min=0)]

webhooks = typer.Typer(no_args_is_help=True, help="Events sent to endpoints of yours.")


@webhooks.command("list")
def list_webhooks(json: Json = False, url: Url = None, key: Key = None) -> None:
    """Endpoints, and how they stand."""
    from service.cli.hooks import run_list

    raise SystemExit(run_list(url=url, key=key, json=json))


@webhooks.command("create")
def create_webhook(
    target: Target,
    types: Types = None,
    description: Description = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Have events sent there from now on. The secret is shown this once."""
    from service.cli.hooks import run_create

    raise SystemExit(run_create(target, types, description, url=url, key=key, json=json))


@webhooks.command("show")
def show_webhook(endpoint: EndpointId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """One endpoint, and since when it fails."""
    from service.cli.hooks import run_show

    raise SystemExit(run_show(endpoint, url=url, key=key, json=json))


@webhooks.command("update")
def update_webhook(
    endpoint: EndpointId,
    target: Annotated[str | None, typer.Option("--to", help="Another URL.")] = None,
    types: Types = None,
    every: Annotated[bool, typer.Option("--all-types", help="Every event, in place of some.")] = False,
    description: Description = None,
    state: Annotated[
        Literal["active", "disabled"] | None, typer.Option(help="Send what waited, and go on; or send nothing.")
    ] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change one; what is not named stays as it is."""
    if types and every:
        raise typer.BadParameter("goes without --type", param_hint="--all-types")
    given = {"url": target, "types": types or None, "description": description, "state": state}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changes |= {"types": None} if every else {}
    if not changes:
        raise typer.BadParameter("say what is to change; --help names it")
    from service.cli.hooks import run_update

    raise SystemExit(run_update(endpoint, changes, url=url, key=key, json=json))


@webhooks.command("test")
def send_test(endpoint: EndpointId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Send a test now. Exits with 1 where it was not taken in."""
    from service.cli.hooks import run_test

    raise SystemExit(run_test(endpoint, url=url, key=key, json=json))


@webhooks.command("deliveries")
def list_deliveries(
    endpoint: EndpointId,
    state: State = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """What became of each event, newest first."""
    from service.cli.hooks import run_deliveries

    raise SystemExit(run_deliveries(endpoint, state=state, everything=everything, url=url, key=key, json=json))


@webhooks.command("redeliver")
def redeliver(
    endpoint: EndpointId,
    delivery: Delivery = None,
    since: Since = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Have one event, or all since a time, sent again."""
    if (delivery is None) == (since is None):
        raise typer.BadParameter("give one of --delivery and --since")
    from service.cli.hooks import run_redeliver

    raise SystemExit(run_redeliver(endpoint, delivery=delivery, since=since, url=url, key=key, json=json))


@webhooks.command("rotate")
def rotate(
    endpoint: EndpointId,
    overlap: Overlap = 86_400,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """A new secret, shown this once."""
    from service.cli.hooks import run_rotate

    raise SystemExit(run_rotate(endpoint, overlap=overlap, yes=yes, url=url, key=key, json=json))


@webhooks.command("delete")
def delete_webhook(endpoint: EndpointId, yes: Yes = False, url: Url = None, key: Key = None) -> None:
    """Send nothing more, and forget what was delivered."""
    from service.cli.hooks import run_delete

    raise SystemExit(run_delete(endpoint, yes=yes, url=url, key=key))
