"""The commands of one number, and the list of them; what they do is imported when one of them runs."""

from typing import Annotated, Any
from uuid import UUID

import typer

from service.cli.filtering import Sort, filtered
from service.cli.lists import Everything, Json, Url, Yes, e164

Key = Annotated[
    str | None,
    typer.Option(help="A tenant's or administrator's key; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="Its id, or its E.164.")]
EMPTY = "; empty clears"

numbers = typer.Typer(no_args_is_help=True, help="Numbers.")


def given(**options: Any) -> dict[str, Any]:
    """Those that a person gave."""
    return {name: value for name, value in options.items() if value is not None}


def _named(text: str) -> str:
    """Raises: BadParameter."""
    try:
        return str(UUID(text))
    except ValueError:
        return e164(text, "NUMBER")


@numbers.command("list")
@filtered
def list_numbers(
    filters: dict[str, Any],
    sort: Sort = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Those that you may see; filters given together all hold."""
    from service.cli.numbers import run_list

    raise SystemExit(run_list(filters | given(sort=sort), url=url, key=key, everything=everything, json=json))


@numbers.command("show")
def show_number(number: Number, json: Json = False, url: Url = None, key: Key = None) -> None:
    """All that is known of one; of an E.164 that was held twice, of the one that is held."""
    from service.cli.numbers import run_show

    raise SystemExit(run_show(_named(number), url=url, key=key, json=json))


@numbers.command("history")
def show_history(
    number: Number, everything: Everything = False, json: Json = False, url: Url = None, key: Key = None
) -> None:
    """What became of one and of its purchase, newest first: who did what, and how it was before and after."""
    from service.cli.numbers import run_history

    raise SystemExit(run_history(_named(number), url=url, key=key, everything=everything, json=json))


@numbers.command("set")
def set_number(
    number: Number,
    nickname: Annotated[str | None, typer.Option(help=f"What it is called{EMPTY}.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="This tag, and no other than those given; once for each.")
    ] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="No tag any more.")] = False,
    cost_center: Annotated[str | None, typer.Option(help=f"Who pays{EMPTY}.")] = None,
    holder: Annotated[str | None, typer.Option(help=f"The user who uses it{EMPTY}.")] = None,
    inbound_agent: Annotated[str | None, typer.Option(help=f"The agent that answers{EMPTY}.")] = None,
    outbound_agent: Annotated[str | None, typer.Option(help=f"The agent that calls{EMPTY}.")] = None,
    if_match: Annotated[str | None, typer.Option(help="Only if it is as it was when `show` told this ETag.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change one: all that is named, or nothing."""
    if tag and no_tags:
        raise typer.BadParameter("goes without --tag", param_hint="--no-tags")
    texts = {
        "nickname": nickname,
        "cost_center": cost_center,
        "holder_user_id": holder,
        "inbound_agent_id": inbound_agent,
        "outbound_agent_id": outbound_agent,
    }
    change: dict[str, Any] = {name: text or None for name, text in texts.items() if text is not None}
    if tag or no_tags:
        change["tags"] = tag or []
    if not change:
        raise typer.BadParameter("say what is to change; --help names it")
    from service.cli.numbers import run_set

    raise SystemExit(run_set(_named(number), change, if_match=if_match, url=url, key=key, json=json))


@numbers.command("release")
def release_number(
    number: Number,
    now: Annotated[bool, typer.Option("--now", help="At once and for good, without a grace.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; goes into its history.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also if it is in a running campaign.")] = False,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Give one back at the end of its grace; until then `restore` keeps it after all."""
    if now and reason is not None:
        raise typer.BadParameter("goes without --now", param_hint="--reason")
    from service.cli.numbers import run_release

    asked = {"force": force} | given(reason=reason)
    raise SystemExit(run_release(_named(number), asked, now=now, yes=yes, url=url, key=key, json=json))


@numbers.command("restore")
def restore_number(
    number: Number,
    reason: Annotated[str | None, typer.Option(help="Why; goes into its history.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Keep one after all whose release is scheduled."""
    from service.cli.numbers import run_restore

    raise SystemExit(run_restore(_named(number), given(reason=reason), url=url, key=key, json=json))
