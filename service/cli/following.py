"""Orders and imports are followed alike: `follow` gives a group its commands.

What they do is imported when one of them runs.
"""

from typing import Annotated, Literal
from uuid import UUID

import typer

from service.cli.lists import Everything, Json, Key, Url, own_id

Id = Annotated[UUID, typer.Argument(parser=own_id, metavar="ID", help="As `list` shows it.")]


def follow(group: typer.Typer, which: Literal["orders", "imports"]) -> None:
    @group.command("list", help=f"{which.capitalize()}, newest first.")
    def list_them(
        state: Annotated[str | None, typer.Option(help="Those in this state, or in one of several.")] = None,
        everything: Everything = False,
        json: Json = False,
        url: Url = None,
        key: Key = None,
    ) -> None:
        from service.cli.followed import run_list

        raise SystemExit(run_list(which, state=state, everything=everything, url=url, key=key, json=json))

    @group.command("show", help="How far one is, and what of it was left alone, and why.")
    def show_one(one: Id, json: Json = False, url: Url = None, key: Key = None) -> None:
        from service.cli.followed import run_show

        raise SystemExit(run_show(which, str(one), url=url, key=key, json=json))

    @group.command("cancel", help="Stop one: numbers that nobody has begun with stay as they are.")
    def cancel_one(one: Id, json: Json = False, url: Url = None, key: Key = None) -> None:
        from service.cli.followed import run_cancel

        raise SystemExit(run_cancel(which, str(one), url=url, key=key, json=json))
