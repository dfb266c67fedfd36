"""The groups `numbers bulk` and `orders` of the command line; what they do is imported when one of them runs."""

from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from service.cli.lists import Everything, Json, Key, Url, Yes
from service.cli.numbering import EMPTY, Organization, State, Tenant, User, numbers

bulk = typer.Typer(no_args_is_help=True, help="Many numbers at once: shown first, then asked for, then watched.")
orders = typer.Typer(no_args_is_help=True, help="Orders of many numbers.")
numbers.add_typer(bulk, name="bulk")

Numbers = Annotated[list[str] | None, typer.Argument(metavar="[NUMBERS]", help="E.164s; or use filters.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
OrderId = Annotated[UUID, typer.Argument(metavar="ID", help="As `orders list` shows it.")]


def _selection(
    given: list[str] | None, organization: str | None, tenant: str | None, user: str | None, state: str | None
) -> dict[str, Any]:
    filters = {"organization_id": organization, "tenant_id": tenant, "user_id": user, "state": state}
    named = {name: value for name, value in filters.items() if value is not None}
    return named | ({"phone_numbers": given} if given else {})


@numbers.command("export")
def export_numbers(
    form: Annotated[
        Literal["csv", "ndjson", "parquet"], typer.Option("--format", help="How rows are written.")
    ] = "csv",
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to be written; - is stdout.")] = Path("-"),
    organization: Organization = None,
    tenant: Tenant = None,
    user: User = None,
    state: State = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Every number that is meant, as a file; all but the released ones where nothing is said."""
    from service.cli.exporting import run_export

    accept = {"csv": "text/csv", "ndjson": "application/x-ndjson", "parquet": "application/vnd.apache.parquet"}[form]
    filters = _selection(None, organization, tenant, user, state)
    raise SystemExit(run_export("/v1/numbers", accept, filters, output, one="number", url=url, key=key))


@bulk.command("release")
def release(
    given: Numbers = None,
    organization: Organization = None,
    tenant: Tenant = None,
    user: User = None,
    state: State = None,
    force: Annotated[bool, typer.Option("--force", help="Also what is in a running campaign.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Release many numbers, for good."""
    from service.cli.orders import run_bulk

    selection = _selection(given, organization, tenant, user, state)
    change = {"release": {"force": True} if force else {}}
    raise SystemExit(run_bulk(selection, change, yes=yes, dry_run=dry_run, url=url, key=key, json=json))


@bulk.command("set")
def set_members(
    given: Numbers = None,
    organization: Organization = None,
    tenant: Tenant = None,
    user: User = None,
    state: State = None,
    nickname: Annotated[str | None, typer.Option(help=f"What each is called{EMPTY}.")] = None,
    add_tag: Annotated[list[str] | None, typer.Option(help="A tag more; may be given several times.")] = None,
    remove_tag: Annotated[list[str] | None, typer.Option(help="A tag less; may be given several times.")] = None,
    cost_center: Annotated[str | None, typer.Option(help=f"Who pays{EMPTY}.")] = None,
    holder: Annotated[str | None, typer.Option(help=f"The user who uses each{EMPTY}.")] = None,
    inbound_agent: Annotated[str | None, typer.Option(help=f"The agent that answers{EMPTY}.")] = None,
    outbound_agent: Annotated[str | None, typer.Option(help=f"The agent that calls{EMPTY}.")] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Set something of many numbers."""
    from service.cli.orders import run_bulk

    texts = {
        "nickname": nickname,
        "cost_center": cost_center,
        "holder_user_id": holder,
        "inbound_agent_id": inbound_agent,
        "outbound_agent_id": outbound_agent,
    }
    members: dict[str, Any] = {name: text or None for name, text in texts.items() if text is not None}
    members |= {name: tags for name, tags in (("tags_add", add_tag), ("tags_remove", remove_tag)) if tags}
    selection = _selection(given, organization, tenant, user, state)
    raise SystemExit(run_bulk(selection, {"set": members}, yes=yes, dry_run=dry_run, url=url, key=key, json=json))


@orders.command("list")
def list_orders(
    state: Annotated[str | None, typer.Option(help="Those in this state, or in one of several.")] = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Orders that were set going, newest first."""
    from service.cli.orders import run_list

    raise SystemExit(run_list(state=state, everything=everything, url=url, key=key, json=json))


@orders.command("show")
def show_order(order_id: OrderId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """How far one is, and what of it was not done, and why."""
    from service.cli.orders import run_show

    raise SystemExit(run_show(str(order_id), url=url, key=key, json=json))


@orders.command("cancel")
def cancel_order(order_id: OrderId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Stop one: numbers that nobody has begun with stay as they are."""
    from service.cli.orders import run_cancel

    raise SystemExit(run_cancel(str(order_id), url=url, key=key, json=json))
