"""The group `quotas` of the command line; what it does is imported when one of its commands runs."""

from typing import Annotated, Any, Literal

import typer

from service.cli.callers import Key
from service.cli.lists import Everything, Json, Url

Tenant = Annotated[str | None, typer.Option(help="This tenant's.")]
Organization = Annotated[str | None, typer.Option(help="This organisation's, over all tenants.")]
User = Annotated[str | None, typer.Option(help="This user's; goes with --organization.")]
Deployment = Annotated[bool, typer.Option("--deployment", help="Those of all together.")]
Limit = Annotated[str | None, typer.Option(metavar="N|unlimited", help="0 is none.")]
Name = Literal[
    "numbers_held", "purchases_per_day", "purchases_per_month", "spend_per_month", "releases_per_month", "doubts_open",
    "concurrent_creates",
]  # fmt: skip

quotas = typer.Typer(no_args_is_help=True, help="How much may be bought and asked for, and what is used of it.")


def _of(tenant: str | None, organization: str | None, user: str | None, deployment: bool) -> list[str] | None:
    """Whose, as a path of the administration; None where nobody is named. Raises: BadParameter."""
    if (tenant is not None) + (organization is not None) + deployment > 1:
        raise typer.BadParameter("name one: --tenant, --organization or --deployment")
    if user is not None and organization is None:
        raise typer.BadParameter("goes with --organization", param_hint="--user")
    if tenant is not None:
        return ["tenants", tenant]
    if organization is not None:
        return ["organizations", organization, *([] if user is None else ["users", user])]
    return ["deployment"] if deployment else None


@quotas.command("show")
def show_quotas(
    tenant: Tenant = None,
    organization: Organization = None,
    user: User = None,
    deployment: Deployment = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Limits, and what is used of them: with a tenant's key its own, with an administrator's those that are named."""
    from service.cli.limits import run_show

    raise SystemExit(run_show(_of(tenant, organization, user, deployment), url=url, key=key, json=json))


@quotas.command("put")
def put_quotas(
    tenant: Tenant = None,
    organization: Organization = None,
    user: User = None,
    deployment: Deployment = False,
    numbers_held: Limit = None,
    purchases_per_day: Limit = None,
    purchases_per_month: Limit = None,
    spend_per_month: Annotated[
        str | None, typer.Option(metavar="AMOUNT|unlimited", help="In the deployment's currency, as 250.00.")
    ] = None,
    releases_per_month: Limit = None,
    doubts_open: Limit = None,
    concurrent_creates: Limit = None,
    requests_per_second: Limit = None,
    burst: Limit = None,
    mode: Annotated[
        Literal["enforced", "shadow", "off"] | None, typer.Option(help="Refuse, only tell, or do neither.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Of days and months, as America/Detroit.")] = None,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change limits, in force at once; what is not named stays as it is."""
    if (of := _of(tenant, organization, user, deployment)) is None:
        raise typer.BadParameter("name whose: --tenant, --organization or --deployment")
    limits = {
        "numbers_held": numbers_held, "purchases_per_day": purchases_per_day,
        "purchases_per_month": purchases_per_month, "spend_per_month": spend_per_month,
        "releases_per_month": releases_per_month, "doubts_open": doubts_open,
        "concurrent_creates": concurrent_creates, "requests_per_second": requests_per_second, "burst": burst,
    }  # fmt: skip
    changes: dict[str, Any] = {name: _limit(name, text) for name, text in limits.items() if text is not None}
    changes |= {name: text for name, text in (("mode", mode), ("time_zone", time_zone)) if text is not None}
    if not changes:
        raise typer.BadParameter("say what is to change; --help names it")
    from service.cli.limits import run_put

    raise SystemExit(run_put(of, changes, url=url, key=key, json=json))


def _limit(name: str, text: str) -> int | float | None:
    """Raises: BadParameter."""
    if text == "unlimited":
        return None
    from service.cli.words import micros

    try:
        if name == "spend_per_month":
            return micros(text)
        return float(text) if name == "requests_per_second" else int(text)
    except ValueError:
        what = "an amount, as 250.00" if name == "spend_per_month" else "a number"
        raise typer.BadParameter(f"must be {what}, or unlimited", param_hint=f"--{name.replace('_', '-')}") from None


@quotas.command("rows")
def list_rows(
    name: Annotated[Name, typer.Argument(help="Of which limit.")],
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """What is counted in a limit of the tenant whose key this is, the oldest first."""
    from service.cli.limits import run_rows

    raise SystemExit(run_rows(name, everything=everything, url=url, key=key, json=json))
