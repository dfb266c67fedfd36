"""The group `audit` of the command line; what it does is imported when it runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from service.cli.lists import Json, Url

audit = typer.Typer(no_args_is_help=True, help="The audit log: read, exported, verified.")

Key = Annotated[
    str | None,
    typer.Option(help="An administrator's key; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
Actor = Annotated[str | None, typer.Option(help="Only what this one did, as `key:` and the key's id.")]
Action = Annotated[str | None, typer.Option(help="Only this action, as key.issued.")]
Kind = Annotated[str | None, typer.Option("--object-kind", help="Only of objects of this kind, as tenant.")]
Object = Annotated[str | None, typer.Option("--object", help="Only of the object with this id; quick with its kind.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Only what concerns this tenant.")]
RequestId = Annotated[str | None, typer.Option(help="Only what this request did.")]
After = Annotated[datetime | None, typer.Option(help="Only what was noted later; UTC.")]
Before = Annotated[datetime | None, typer.Option(help="Only what was noted earlier; UTC.")]
Output = Annotated[Path, typer.Option(help="The file to be written; - is stdout.")]


def _filters(**given: str | datetime | None) -> dict[str, str]:
    return {
        name: value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in given.items()
        if value is not None
    }


@audit.command("list")
def list_entries(
    actor: Actor = None,
    action: Action = None,
    object_kind: Kind = None,
    object_id: Object = None,
    tenant: Tenant = None,
    request_id: RequestId = None,
    after: After = None,
    before: Before = None,
    everything: Annotated[bool, typer.Option("--all", help="Every one, not only the last hundred.")] = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Who changed what, and who tried what they may not; the latest first."""
    from service.cli.audit_log import run_list

    filters = _filters(
        actor=actor, action=action, object_kind=object_kind, object_id=object_id, tenant_id=tenant,
        request_id=request_id, after=after, before=before,
    )  # fmt: skip
    raise SystemExit(run_list(filters, everything=everything, json=json, url=url, key=key))


@audit.command("export")
def export_entries(
    output: Output = Path("-"),
    actor: Actor = None,
    action: Action = None,
    object_kind: Kind = None,
    object_id: Object = None,
    tenant: Tenant = None,
    request_id: RequestId = None,
    after: After = None,
    before: Before = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Everything as NDJSON, with its place in the chain: what `verify --file` reads."""
    from service.cli.exporting import run_export

    filters = _filters(
        actor=actor, action=action, object_kind=object_kind, object_id=object_id, tenant_id=tenant,
        request_id=request_id, after=after, before=before,
    )  # fmt: skip
    of, accept = "/v1/admin/audit", "application/x-ndjson"
    raise SystemExit(run_export(of, accept, filters, output, one="entry", url=url, key=key))


@audit.command("verify")
def verify_chain(
    head: Annotated[
        list[str] | None, typer.Option(metavar="SEQ:HASH", help="A head that was kept outside; may be repeated.")
    ] = None,
    from_log: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A log of the worker with heads in it, - for stdin; may be repeated."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="SEQ:HASH", help="Verify only what came after this head, which is trusted.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Verify this export, - for stdin; the database of DATABASE_URL where absent.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="With --file: it was exported with filters, so that gaps say nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Is every row as it was chained? Exit code 0: yes; 1: no, and which is the first; 2: it could not be verified."""
    if partial and file is None:
        raise typer.BadParameter("goes with --file: the database has every row", param_hint="--partial")
    from service.cli.audit_verify import run_verify

    raise SystemExit(
        run_verify(heads=head or [], logs=from_log or [], since=since, file=file, partial=partial, json=json)
    )
