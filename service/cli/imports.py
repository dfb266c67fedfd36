"""The group `imports` of the command line; what it does is imported when one of it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.following import Id, follow
from service.cli.lists import Json, Key, Url, Yes

imports = typer.Typer(no_args_is_help=True, help="Numbers bought before Numbergate: shown first, then adopted.")


@imports.command("preview")
def preview(
    file: Annotated[
        Path | None,
        typer.Argument(help="A CSV; without it all that Teli listed before.", exists=True, dir_okay=False),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose they are to be.")] = None,
    organization: Annotated[str | None, typer.Option(help="Those of this organisation alone.")] = None,
    account: Annotated[str | None, typer.Option(help="Those of this upstream account alone.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose they are where Teli names no user.")] = None,
    cost_center: Annotated[str | None, typer.Option(help="Who pays.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be given several times.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Since when they are held, as 2025-03-01; else as Teli says.")
    ] = None,
    monthly_price: Annotated[str | None, typer.Option(help="What a month costs, as 2.99.")] = None,
    setup_price: Annotated[str | None, typer.Option(help="What each cost at first.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of the prices, as USD.")] = None,
    charset: Annotated[str | None, typer.Option(help="Of the file, where it is not UTF-8 or UTF-16.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show what would become of each number; nothing is adopted."""
    from service.cli.importing import run_preview

    given = {
        "tenant_id": tenant,
        "organization_id": organization,
        "account_id": account,
        "user_id": user,
        "cost_center": cost_center,
        "tags": tag or None,
        "acquired_at": since,
        "monthly_price": monthly_price,
        "setup_price": setup_price,
        "currency": currency,
    }
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    raise SystemExit(run_preview(file, said, charset=charset, url=url, key=key, json=json))


@imports.command("apply")
def apply(import_id: Id, yes: Yes = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Adopt exactly what was shown, and watch until it is done."""
    from service.cli.importing import run_apply

    raise SystemExit(run_apply(str(import_id), yes=yes, url=url, key=key, json=json))


follow(imports, "imports")
