"""The groups `billing invoices` and `billing profiles` of the command line; what they do is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.following import Id
from service.cli.lists import Everything, Json, Url, Yes

invoices = typer.Typer(no_args_is_help=True, help="The supplier's invoices: previewed, filed, read, and mended.")
profiles = typer.Typer(no_args_is_help=True, help="Which column of a supplier's file means what, by a name.")

Key = Annotated[
    str | None,
    typer.Option(help="A key of finance; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
File = Annotated[Path, typer.Argument(help="CSV or XLSX, as the supplier sent it.", exists=True, dir_okay=False)]
Profile = Annotated[
    str | None, typer.Option(help="A mapping that was remembered, or `stripe`; else what the headers suggest.")
]
Charset = Annotated[str | None, typer.Option(help="Of a CSV, where it cannot be told from the file.")]
Name = Annotated[str, typer.Argument(help="Small letters, digits, - and _.")]


@invoices.command("preview")
def preview(
    file: File, profile: Profile = None, charset: Charset = None, json: Json = False, url: Url = None, key: Key = None
) -> None:
    """Show how a file would be read, what is wrong with it, and its sum; nothing is filed."""
    from service.cli.invoicing import run_preview

    raise SystemExit(run_preview(file, profile, charset=charset, json=json, url=url, key=key))


@invoices.command("import")
def import_invoice(
    file: File,
    month: Annotated[str, typer.Argument(help="The month it is for, as 2026-11.")],
    profile: Profile = None,
    number: Annotated[str | None, typer.Option(help="The supplier's own number of it.")] = None,
    supplier: Annotated[str | None, typer.Option(help="Whose it is; else Teli.")] = None,
    account: Annotated[str | None, typer.Option(help="Of this upstream account, where there are several.")] = None,
    charset: Charset = None,
    wait: Annotated[bool, typer.Option(help="Stay until it is read.")] = True,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """File an invoice, and watch until it is read. The same file again is the same invoice."""
    from service.cli.invoicing import run_import

    given = {"period": month, "profile": profile, "number": number, "supplier": supplier, "account_id": account}
    asked = {name: value for name, value in given.items() if value is not None}
    raise SystemExit(run_import(file, asked, charset=charset, wait=wait, json=json, url=url, key=key))


@invoices.command("list")
def list_invoices(
    month: Annotated[str | None, typer.Option(help="Only those for this month.")] = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Invoices, the newest first."""
    from service.cli.invoicing import run_list

    raise SystemExit(run_list(month, everything=everything, json=json, url=url, key=key))


@invoices.command("show")
def show(invoice_id: Id, json: Json = False, url: Url = None, key: Key = None) -> None:
    """One invoice: how far it is read, its sum, and what waits for a decision."""
    from service.cli.invoicing import run_show

    raise SystemExit(run_show(str(invoice_id), json=json, url=url, key=key))


@invoices.command("lines")
def lines(
    invoice_id: Id,
    output: Annotated[Path, typer.Option(help="The file to be written; - is stdout.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Every line that was read, as CSV."""
    from service.cli.invoicing import run_lines

    raise SystemExit(run_lines(str(invoice_id), output, url=url, key=key))


@invoices.command("rejects")
def rejects(
    invoice_id: Id, everything: Everything = False, json: Json = False, url: Url = None, key: Key = None
) -> None:
    """Rows that wait for a decision, each with its line and what is wrong with it."""
    from service.cli.invoicing import run_rejects

    raise SystemExit(run_rejects(str(invoice_id), everything=everything, json=json, url=url, key=key))


@invoices.command("resolve")
def resolve(
    invoice_id: Id,
    row: Annotated[
        list[int] | None, typer.Option(help="Which, as `rejects` shows it; without it, all that wait.")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Leave them out.")] = False,
    mend: Annotated[
        list[str] | None, typer.Option("--set", help="Mend them: amount=2.99; may be given several times.")
    ] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Drop rows that are kept aside, or mend them; all of them, or none."""
    from service.cli.invoicing import run_resolve

    raise SystemExit(run_resolve(str(invoice_id), row, drop=drop, mend=mend or [], json=json, url=url, key=key))


@invoices.command("discard")
def discard(invoice_id: Id, yes: Yes = False, url: Url = None, key: Key = None) -> None:
    """Take back an invoice that is not matched, with its lines, so that its file can be read otherwise."""
    from service.cli.invoicing import run_discard

    raise SystemExit(run_discard(str(invoice_id), yes=yes, url=url, key=key))


@profiles.command("list")
def list_profiles(json: Json = False, url: Url = None, key: Key = None) -> None:
    """Those that come with Numbergate, and those that were remembered."""
    from service.cli.invoicing import run_profiles

    raise SystemExit(run_profiles(json=json, url=url, key=key))


@profiles.command("show")
def show_profile(name: Name, url: Url = None, key: Key = None) -> None:
    """One mapping as JSON, to be changed and put by a name of your own."""
    from service.cli.invoicing import run_profile

    raise SystemExit(run_profile(name, url=url, key=key))


@profiles.command("put")
def put_profile(
    name: Name,
    file: Annotated[typer.FileText, typer.Argument(help="A mapping as JSON; - is stdin.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Remember a mapping by a name."""
    from service.cli.invoicing import run_put_profile

    raise SystemExit(run_put_profile(name, file.read(), url=url, key=key))
