"""`billing match`, `findings` and the group `billing disputes`; what they do is imported when they run."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli.lists import Everything, Json, Url

disputes = typer.Typer(no_args_is_help=True, help="What is asked back of the supplier.")
Key = Annotated[
    str | None,
    typer.Option(help="A key of finance; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
Invoice = Annotated[str, typer.Argument(help="Its id.")]
Dispute = Annotated[str, typer.Argument(help="Its id.")]
Verdicts = Annotated[list[str] | None, typer.Option("--verdict", help="Only with this verdict; may be repeated.")]
Output = Annotated[Path, typer.Option(help="The file to be written; - is stdout.")]


def match(
    invoice: Invoice,
    tolerance: Annotated[str, typer.Option(help="What a line may be off by, as 0.01.")] = "0",
    wait: Annotated[bool, typer.Option(help="Stay until it is done.")] = True,
    look: Annotated[bool, typer.Option("--look", help="Only look what came of it last.")] = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Match an invoice with the ledger, line by line, and show what came of it by verdict."""
    from service.cli.disputing import run_match, run_result

    if look:
        raise SystemExit(run_result(invoice, json=json, url=url, key=key))
    raise SystemExit(run_match(invoice, tolerance=tolerance, wait=wait, json=json, url=url, key=key))


def findings(
    invoice: Invoice,
    verdict: Verdicts = None,
    output: Annotated[Path | None, typer.Option(help="Write all of them into a file; - is stdout.")] = None,
    form: Annotated[Literal["csv", "ndjson", "parquet"], typer.Option("--format", help="Of the file.")] = "csv",
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """What came of each line of an invoice, and of each charge that it lacks."""
    from service.cli.disputing import run_export_findings, run_findings

    if output is not None:
        raise SystemExit(run_export_findings(invoice, verdict or [], output, form, url=url, key=key))
    raise SystemExit(run_findings(invoice, verdict or [], everything=everything, json=json, url=url, key=key))


@disputes.command("list")
def list_disputes(
    state: Annotated[str | None, typer.Option(help="open, submitted, accepted, rejected or credited.")] = None,
    invoice: Annotated[str | None, typer.Option(help="Only of this invoice.")] = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Disputes, the last opened first."""
    from service.cli.disputing import run_disputes

    given = {"state": state, "invoice_id": invoice}
    asked = {name: value for name, value in given.items() if value is not None}
    raise SystemExit(run_disputes(asked, everything=everything, json=json, url=url, key=key))


@disputes.command("open")
def open_dispute(
    invoice: Invoice,
    title: Annotated[str, typer.Option(help="What it is about, as the supplier is to read it.")],
    verdict: Annotated[list[str] | None, typer.Option(help="All that has this verdict; may be repeated.")] = None,
    finding: Annotated[list[int] | None, typer.Option(help="This one, by its number; may be repeated.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Dispute what an invoice charges too much."""
    from service.cli.disputing import run_open

    body = {"invoice_id": invoice, "title": title, "verdicts": verdict or [], "findings": finding or []}
    raise SystemExit(run_open(body, json=json, url=url, key=key))


@disputes.command("show")
def show(dispute: Dispute, json: Json = False, url: Url = None, key: Key = None) -> None:
    """One, with its notes, files, and what was given back."""
    from service.cli.disputing import run_show

    raise SystemExit(run_show(dispute, json=json, url=url, key=key))


@disputes.command("move")
def move(
    dispute: Dispute,
    state: Annotated[Literal["submitted", "accepted", "rejected", "credited"], typer.Argument(help="What it became.")],
    amount: Annotated[str | None, typer.Option(help="What was given back, as 2.99; else all of it.")] = None,
    reason: Annotated[str | None, typer.Option(help="A note beside it.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Say what became of a dispute."""
    from service.cli.disputing import run_move

    raise SystemExit(run_move(dispute, state, amount=amount, reason=reason, json=json, url=url, key=key))


@disputes.command("note")
def note(
    dispute: Dispute,
    text: Annotated[str, typer.Argument(help="What is to be noted.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a note; it is never changed."""
    from service.cli.disputing import run_note

    raise SystemExit(run_note(dispute, text, url=url, key=key))


@disputes.command("attach")
def attach(
    dispute: Dispute,
    file: Annotated[Path, typer.Argument(help="PDF, PNG, JPEG, text or CSV, 1 MiB at most.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Keep a file with a dispute."""
    from service.cli.disputing import run_attach

    raise SystemExit(run_attach(dispute, file, url=url, key=key))


@disputes.command("export")
def export(
    dispute: Dispute,
    output: Output,
    form: Annotated[
        Literal["csv", "ndjson", "parquet", "html"], typer.Option("--format", help="html is a letter.")
    ] = "csv",
    url: Url = None,
    key: Key = None,
) -> None:
    """Every line for the supplier as a file, or a letter to be printed."""
    from service.cli.disputing import run_export_lines

    raise SystemExit(run_export_lines(dispute, output, form, url=url, key=key))
