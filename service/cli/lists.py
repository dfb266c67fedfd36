"""The groups `doubts`, `orphans` and `ghosts` of the command line; what they do is imported when one of them runs."""

from typing import Annotated, Literal
from uuid import UUID

import typer


def own_id(text: str) -> UUID:
    """Raises: BadParameter."""
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter("must be an id, as 0190f3a2-7c1e-7d44-9b0a-3f6c2d8e1a55") from None


Url = Annotated[
    str | None, typer.Option(help="The gateway; else the profile's, NUMBERGATE_URL, or http://127.0.0.1:8080.")
]
Key = Annotated[
    str | None,
    typer.Option(help="The API key; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE, or in a profile."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON line on stdout, for programs.")]
Organization = Annotated[str | None, typer.Option(help="Only those of this organisation.")]
Everything = Annotated[bool, typer.Option("--all", help="Every one, not only the first hundred.")]
ItemId = Annotated[UUID, typer.Argument(parser=own_id, metavar="ID", help="As `list` shows it.")]
Reason = Annotated[str, typer.Option(help="How you know; goes into the audit log.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]
Number = Annotated[str | None, typer.Option(help="The number that was bought, for `owned`.")]
Tenant = Annotated[str | None, typer.Option(help="Whose it is to be, where the orphan names no tenant.")]
User = Annotated[str | None, typer.Option(help="For which user, where the orphan names none.")]
List = Literal["doubts", "orphans", "ghosts"]


def _group(kind: List, what: str) -> typer.Typer:
    """A group that lists and shows; how its items are decided is added below."""
    group = typer.Typer(no_args_is_help=True, help=what)

    @group.command("list")
    def list_items(
        organization: Organization = None,
        everything: Everything = False,
        json: Json = False,
        url: Url = None,
        key: Key = None,
    ) -> None:
        """Those that are open, oldest first."""
        from service.cli.short_lists import run_list

        raise SystemExit(run_list(kind, url=url, key=key, organization=organization, everything=everything, json=json))

    @group.command("show")
    def show_item(item_id: ItemId, json: Json = False, url: Url = None, key: Key = None) -> None:
        """One of them, with all that is known of it and how it may be decided."""
        from service.cli.short_lists import run_show

        raise SystemExit(run_show(kind, item_id, url=url, key=key, json=json))

    return group


doubts = _group("doubts", "Purchases without proof either way.")
orphans = _group("orphans", "Numbers at Teli that no purchase explains.")
ghosts = _group("ghosts", "Numbers held here that Teli does not list, or that could not be released.")


def e164(text: str, hint: str) -> str:
    """As people write it, with spaces, dots, dashes and brackets. `hint`: as what. Raises: BadParameter."""
    from service.kit.phone import NotAPhoneNumber, path_number

    try:
        return path_number(text.translate({ord(sign): None for sign in " ().-"}))
    except NotAPhoneNumber as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None


@doubts.command("resolve")
def resolve_doubt(
    item_id: ItemId,
    decision: Annotated[Literal["owned", "refused"], typer.Argument(help="It bought that number, or nothing.")],
    reason: Reason,
    phone_number: Number = None,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Decide a doubt, for good."""
    if (decision == "owned") != (phone_number is not None):
        told = "is required: which number was bought?" if phone_number is None else "goes with `owned` only"
        raise typer.BadParameter(told, param_hint="--phone-number")
    phone_number = None if phone_number is None else e164(phone_number, "--phone-number")
    from service.cli.short_lists import run_resolve

    raise SystemExit(
        run_resolve(
            "doubts", item_id, decision, url=url, key=key, reason=reason, yes=yes, json=json, phone_number=phone_number
        )
    )


@orphans.command("resolve")
def resolve_orphan(
    item_id: ItemId,
    decision: Annotated[
        Literal["adopt", "release", "ignore"],
        typer.Argument(help="A tenant's from now on, to be given back, or no concern of ours."),
    ],
    reason: Reason,
    tenant: Tenant = None,
    user: User = None,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Decide an orphan."""
    if decision == "ignore" and (tenant or user):
        raise typer.BadParameter("goes with `adopt` and `release` only", param_hint="--tenant, --user")
    from service.cli.short_lists import run_resolve

    raise SystemExit(
        run_resolve(
            "orphans",
            item_id,
            decision,
            url=url,
            key=key,
            reason=reason,
            yes=yes,
            json=json,
            tenant_id=tenant,
            user_id=user,
        )
    )


@ghosts.command("resolve")
def resolve_ghost(
    item_id: ItemId,
    decision: Annotated[Literal["missing", "still_ours"], typer.Argument(help="Gone, or held all the same.")],
    reason: Reason,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Decide a ghost."""
    from service.cli.short_lists import run_resolve

    raise SystemExit(run_resolve("ghosts", item_id, decision, url=url, key=key, reason=reason, yes=yes, json=json))
