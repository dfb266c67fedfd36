"""The commands of one number, and the list of them; what they do is imported when one of them runs."""

from typing import Annotated, Any
from uuid import UUID

import typer

from service.cli.lists import Everything, Json, Url, Yes, e164

Key = Annotated[
    str | None,
    typer.Option(help="A tenant's or administrator's key; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
Organization = Annotated[str | None, typer.Option(help="Those of this organisation.")]
Tenant = Annotated[str | None, typer.Option(help="Those of this tenant.")]
User = Annotated[str | None, typer.Option(help="Those of this user.")]
State = Annotated[str | None, typer.Option(help="Those in this state, or in one of several, with commas between.")]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="Its id, or its E.164.")]
EMPTY = "; empty clears"

numbers = typer.Typer(no_args_is_help=True, help="Numbers.")


def _named(text: str) -> str:
    """Raises: BadParameter."""
    try:
        return str(UUID(text))
    except ValueError:
        return e164(text, "NUMBER")


@numbers.command("list")
def list_numbers(
    organization: Organization = None,
    tenant: Tenant = None,
    user: User = None,
    state: State = None,
    saved: Annotated[
        UUID | None, typer.Option("--filter", help="As this saved filter has it, but for the rest.")
    ] = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Those that you may see; filters given together all hold."""
    from service.cli.numbers import run_list

    asked = {
        "organization_id": organization,
        "tenant_id": tenant,
        "user_id": user,
        "state": state,
        "filter": saved,
    }
    named = {name: str(value) for name, value in asked.items() if value is not None}
    raise SystemExit(run_list(named, url=url, key=key, everything=everything, json=json))


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
    force: Annotated[bool, typer.Option("--force", help="Also if it is in a running campaign.")] = False,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Give one back, now and for good."""
    from service.cli.numbers import run_release

    raise SystemExit(run_release(_named(number), force=force, yes=yes, url=url, key=key, json=json))
