"""The groups `numbers bulk` and `orders` of the command line; what they do is imported when one of them runs."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from service.cli.filtering import NAMES, Sort, filtered
from service.cli.following import follow
from service.cli.lists import Json, Key, Url, Yes
from service.cli.numbering import EMPTY, numbers
from service.cli.numbering import given as named

bulk = typer.Typer(no_args_is_help=True, help="Many numbers at once: shown first, then asked for, then watched.")
orders = typer.Typer(no_args_is_help=True, help="Orders of many numbers.")
numbers.add_typer(bulk, name="bulk")

UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
Numbers = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NUMBERS]", help="Ids or E.164s, - reads them from stdin; or use filters."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]


def _selection(filters: dict[str, Any], given: list[str] | None) -> dict[str, Any]:
    """`given`: as a person wrote them, or of each line on stdin its first word."""
    if given == ["-"]:
        given = [words[0] for line in sys.stdin if (words := line.split())]
        if not given:
            raise typer.BadParameter("nothing came on stdin", param_hint="NUMBERS")
    ids: list[str] = []
    phone_numbers: list[str] = []
    for one in given or ():
        (ids if UUID_FORM.fullmatch(one) else phone_numbers).append(one)
    named_so = {"ids": ids, "phone_numbers": phone_numbers}
    return filters | {name: some for name, some in named_so.items() if some}


@numbers.command("export")
@filtered
def export_numbers(
    filters: dict[str, Any],
    form: Annotated[
        Literal["csv", "ndjson", "parquet"], typer.Option("--format", help="How rows are written.")
    ] = "csv",
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to be written; - is stdout.")] = Path("-"),
    sort: Sort = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Every number that is meant, as a file; all but the released ones where nothing is said."""
    from service.cli.exporting import ACCEPT, run_export

    asked = filters | named(sort=sort)
    raise SystemExit(
        run_export("/v1/numbers", ACCEPT[form], asked, output, one="number", options=NAMES, url=url, key=key)
    )


@bulk.command("release")
@filtered
def release(
    filters: dict[str, Any],
    given: Numbers = None,
    force: Annotated[bool, typer.Option("--force", help="Also what is in a running campaign.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Release many numbers, for good."""
    from service.cli.orders import run_bulk

    selection = _selection(filters, given)
    change = {"release": {"force": True} if force else {}}
    raise SystemExit(run_bulk(selection, change, yes=yes, dry_run=dry_run, url=url, key=key, json=json))


@bulk.command("set")
@filtered
def set_members(
    filters: dict[str, Any],
    given: Numbers = None,
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
    selection = _selection(filters, given)
    raise SystemExit(run_bulk(selection, {"set": members}, yes=yes, dry_run=dry_run, url=url, key=key, json=json))


@orders.command("create")
def create_order(
    quantity: Annotated[int, typer.Argument(help="How many.")],
    area_code: Annotated[list[str], typer.Option(help="Asked for in this order; may be given several times.")],
    user: Annotated[list[str], typer.Option(help="Who owns them; several take turns.")],
    organization: Annotated[str | None, typer.Option(help="Whom they are bought for.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose order it is; for an administrator, who must say.")] = None,
    fallback: Annotated[
        list[str] | None, typer.Option(help="What is asked for after those: overlays, neighbours.")
    ] = None,
    nickname: Annotated[str | None, typer.Option(help="What they are called, as 'Sales {area_code}-{n:03}'.")] = None,
    unique_nicknames: Annotated[bool, typer.Option("--unique", help="Refuse to name two the same.")] = False,
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be given several times.")] = None,
    cost_center: Annotated[str | None, typer.Option(help="Who pays.")] = None,
    inbound_agent: Annotated[str | None, typer.Option(help="The agent that answers.")] = None,
    outbound_agent: Annotated[str | None, typer.Option(help="The agent that calls.")] = None,
    all_or_nothing_more: Annotated[
        bool, typer.Option("--all", help="Send nothing more once one of them cannot be had.")
    ] = False,
    deadline: Annotated[str | None, typer.Option(help="Nothing is sent after it; a time by RFC 3339.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same order, however often this is run.")] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Order many new numbers."""
    from service.cli.placing import run_create

    asked = {
        "quantity": quantity,
        "area_codes": area_code,
        "user_ids": user,
        "organization_id": organization,
        "tenant_id": tenant,
        "fallback": fallback,
        "nickname": nickname,
        "unique_nicknames": unique_nicknames or None,
        "tags": tag,
        "cost_center": cost_center,
        "inbound_agent_id": inbound_agent,
        "outbound_agent_id": outbound_agent,
        "fulfilment": "all" if all_or_nothing_more else None,
        "deadline": deadline,
    }
    body = {name: value for name, value in asked.items() if value is not None}
    raise SystemExit(
        run_create(body, idempotency_key=idempotency_key, yes=yes, dry_run=dry_run, url=url, key=key, json=json)
    )


follow(orders, "orders")
