"""The group `drift` of the command line; what it does is imported when it runs."""

from typing import Annotated, Literal

import typer

from service.cli.lists import Everything, ItemId, Json, Reason, Url

Key = Annotated[
    str | None,
    typer.Option(help="A tenant's or administrator's key; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]

drift = typer.Typer(no_args_is_help=True, help="What Teli lists of your numbers otherwise than is wanted.")


@drift.command("list")
def list_drift(everything: Everything = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """What nobody decided yet, the longest first."""
    from service.cli.drift_list import run_list

    raise SystemExit(run_list(url=url, key=key, everything=everything, json=json))


@drift.command("resolve")
def resolve_drift(
    drift_id: ItemId,
    decision: Annotated[
        Literal["ours", "theirs"], typer.Argument(help="Ours is put back at Teli, or theirs taken into the ledger.")
    ],
    reason: Reason,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Decide which of the two holds."""
    from service.cli.drift_list import run_resolve

    raise SystemExit(run_resolve(drift_id, decision, reason=reason, url=url, key=key, json=json))
