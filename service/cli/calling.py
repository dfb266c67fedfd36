"""The group `campaigns` of the command line, and `numbers idle`; what they do is imported when one of them runs."""

from typing import Annotated, Literal

import typer

from service.cli.lists import Everything, Json, Url, Yes
from service.cli.numbering import numbers

Key = Annotated[
    str | None,
    typer.Option(help="A tenant's key; better in NUMBERGATE_API_KEY or NUMBERGATE_API_KEY_FILE."),
]
Organization = Annotated[str, typer.Option("--organization", help="Teli's unique_id.")]
OneOrganization = Annotated[str | None, typer.Option("--organization", help="Only those of this organisation.")]
CampaignId = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="As it was created.")]
Days = Annotated[int, typer.Option(help="Without a call for so long.", min=1, max=3650)]

campaigns = typer.Typer(no_args_is_help=True, help="Campaigns that call from your numbers.")


@campaigns.command("list")
def list_campaigns(organization: Organization, json: Json = False, url: Url = None, key: Key = None) -> None:
    """Those that you created in an organisation, as Teli tells of them."""
    from service.cli.campaigns import run_list

    raise SystemExit(run_list(organization, url=url, key=key, json=json))


@campaigns.command("show")
def show_campaign(campaign: CampaignId, json: Json = False, url: Url = None, key: Key = None) -> None:
    """How one stands, and how far it has come."""
    from service.cli.campaigns import run_show

    raise SystemExit(run_show(campaign, url=url, key=key, json=json))


@campaigns.command("pause")
def pause_campaign(
    campaign: CampaignId, yes: Yes = False, json: Json = False, url: Url = None, key: Key = None
) -> None:
    """Call nobody further; running calls finish. Nothing resumes one."""
    _move(campaign, "pause", yes=yes, json=json, url=url, key=key)


@campaigns.command("end")
def end_campaign(campaign: CampaignId, yes: Yes = False, json: Json = False, url: Url = None, key: Key = None) -> None:
    """End one for good; its numbers can be released then."""
    _move(campaign, "end", yes=yes, json=json, url=url, key=key)


def _move(
    campaign: str, verb: Literal["pause", "end"], *, yes: bool, json: bool, url: str | None, key: str | None
) -> None:
    from service.cli.campaigns import run_move

    raise SystemExit(run_move(campaign, verb, yes=yes, url=url, key=key, json=json))


@numbers.command("idle")
def list_idle(
    days: Days = 30,
    organization: OneOrganization = None,
    everything: Everything = False,
    json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Those that nobody calls and that call nobody, the longest first, and what their silence cost."""
    from service.cli.campaigns import run_idle

    raise SystemExit(run_idle(days, organization, url=url, key=key, everything=everything, json=json))
