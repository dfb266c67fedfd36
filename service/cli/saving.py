"""The group `filters` of the command line: filters of the inventory that were saved."""

from typing import Annotated, Any
from uuid import UUID

import typer

from service.cli.filtering import Sort, filtered
from service.cli.lists import Everything, Json, Url, Yes, own_id
from service.cli.numbering import Key, given

filters = typer.Typer(no_args_is_help=True, help="Saved filters of the list of numbers.")
Id = Annotated[UUID, typer.Argument(parser=own_id, metavar="ID", help="As `list` shows it.")]


@filters.command("list")
def list_filters(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Your own, and those that are shared with you; by name."""
    from service.cli.saved import run_list

    raise SystemExit(run_list(everything=everything, url=url, key=key, json=json))


@filters.command("save")
@filtered
def save_filter(
    filters: dict[str, Any],
    name: Annotated[str, typer.Argument(help="What it is called.")],
    sort: Sort = None,
    share: Annotated[str | None, typer.Option(help="With whoever is granted this organisation.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Keep these filters under a name, for `numbers list|export|bulk --filter`."""
    if "filter" in filters:
        raise typer.BadParameter("names what is saved already", param_hint="--filter")
    from service.cli.saved import run_save

    body = {"name": name, "filters": filters} | given(sort=sort, organization_id=share)
    raise SystemExit(run_save(body, url=url, key=key, json=json))


@filters.command("delete")
def delete_filter(filter_id: Id, yes: Yes = False, url: Url = None, key: Key = None) -> None:
    """Delete one that is yours."""
    from service.cli.saved import run_delete

    raise SystemExit(run_delete(str(filter_id), yes=yes, url=url, key=key))
