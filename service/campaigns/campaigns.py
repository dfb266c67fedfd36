"""Campaigns as their tenant sees and moves them: asked of Teli, which checks nobody's tenancy, and held to our rows."""

from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import ACTIONS
from service.audit.entries import note
from service.campaigns.answers import operation
from service.campaigns.models import Campaign
from service.campaigns.repository import FOLLOWED, CampaignRepository
from service.db import Database
from service.kit.errors import NotFound, StateConflict
from service.numbers.changes import took_effect
from service.numbers.errors import UpstreamRefused
from service.outbox.events import record
from service.teli.campaigns import Absent, Standing, read_campaigns, read_standing, words
from service.teli.client import SendBy, Upstreams
from service.teli.errors import UpstreamUnavailable
from service.teli.heard import Heard
from service.tenants.models import Account
from service.tenants.principals import Principal

SEND_WITHIN = 10.0
Verb = Literal["pause", "end"]
BECOMES = {"pause": "paused", "end": "ended"}
ASK_AGAIN = "Teli could not be asked; try again."
# What a campaign is called that Teli was not told of yet, as far as we know.
PENDING = ("sending", "doubtful")


class Campaigns:
    def __init__(self, database: Database, upstreams: Upstreams) -> None:
        self._database = database
        self._upstreams = upstreams

    async def of_organization(self, caller: Principal, organization: str, *, whole: bool) -> list[dict[str, Any]]:
        """Teli's rows of the caller's campaigns in an organisation; with `whole` of all tenants'.

        Raises: UpstreamUnavailable.
        """
        async with self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
            campaigns = await CampaignRepository(session).of_organization(caller, organization, whole=whole)
            accounts = {
                account: (await session.get_one(Account, account)).teli_tenant_id
                for account in {one.account_id for one in campaigns}
            }
        rows = []
        for account, teli_tenant in accounts.items():
            teli = await self._upstreams.of(account)
            listed = read_campaigns(await teli.campaigns(organization, teli_tenant))
            if listed is None:
                raise UpstreamUnavailable(ASK_AGAIN)
            ours = {one.campaign_id: one for one in campaigns if one.account_id == account and one.state != "refused"}
            rows += [row | _ours(ours[row["campaign_id"]]) for row in listed if row["campaign_id"] in ours]
        return rows

    async def one(self, caller: Principal, campaign_id: str) -> dict[str, Any] | Campaign:
        """Teli's answer about a campaign, or the campaign itself while it is not known whether Teli has it.

        Raises: NotFound, also for another tenant's; UpstreamUnavailable.
        """
        campaign = await self._seen(caller, campaign_id)
        if campaign.state in PENDING:
            return campaign
        teli = await self._upstreams.of(campaign.account_id)
        match read_standing(await teli.campaign(campaign_id)):
            case Standing(status, state, progress):
                told = _ours(campaign) | ({"state": state} if state else {})
                body = {"success": True, "campaign_id": campaign_id, "status": status, "progress": progress}
                return body | {"powered_by": "Teli", **told, "operation_id": str(campaign.id)}
            case Absent():
                raise NotFound("Teli has no such campaign any more.")
            case _:
                raise UpstreamUnavailable(ASK_AGAIN)

    async def move(self, caller: Principal, campaign_id: str, verb: Verb, *, request_id: str) -> dict[str, Any]:
        """Pause or end a campaign. Harmless to repeat; asked for in the ledger first.

        Raises: NotFound, also for another tenant's; StateConflict; UpstreamRefused; UpstreamUnavailable.
        """
        async with self._database.acting(tenant=caller.tenant, bounds=caller.bounds) as session:
            campaign = await CampaignRepository(session).seen(caller, campaign_id)
            if campaign is None or campaign.tenant_id != caller.tenant or campaign.state == "refused":
                raise NotFound
            if campaign.state in PENDING:
                raise StateConflict("It is not known yet whether Teli created this campaign; ask again in a moment.")
            _note(session, campaign, f"{verb}_asked", caller, request_id)
        teli = await self._upstreams.of(campaign.account_id)
        heard = await teli.move_campaign(campaign_id, verb, send_by=SendBy.within(SEND_WITHIN))
        self._check_moved(heard)
        async with self._database.acting(tenant=caller.tenant, bounds=caller.bounds) as session:
            moved = await CampaignRepository(session).move(
                campaign, {"state": BECOMES[verb], "look_at": func.clock_timestamp()}, Campaign.state.in_(FOLLOWED)
            )
            if moved is not None and moved.state != campaign.state:
                _note(session, campaign, moved.state, caller, request_id, state=moved.state)
                await record(
                    session, caller.tenant, f"campaign.{moved.state}", campaign_id=campaign_id, id=str(campaign.id)
                )
        message = str(heard.object().get("message") or f"Campaign {BECOMES[verb]}")[:200]
        return {
            "success": True,
            "campaign_id": campaign_id,
            "message": message,
            "powered_by": "Teli",
            **_ours(moved or campaign),
        }

    @staticmethod
    def _check_moved(heard: Heard) -> None:
        if took_effect(heard):
            return
        if heard.kind == "answer" and heard.status is not None:
            if heard.status == 404 and heard.object().get("error"):
                raise NotFound("Teli has no such campaign any more.")
            if heard.status in (400, 409, 422):
                raise UpstreamRefused(words(heard), nothing="nothing was changed")
        raise UpstreamUnavailable("Whether Teli did it is not known; ask again, that is harmless.")

    async def _seen(self, caller: Principal, campaign_id: str) -> Campaign:
        async with self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
            campaign = await CampaignRepository(session).seen(caller, campaign_id)
        if campaign is None or campaign.state == "refused":
            raise NotFound
        return campaign


async def campaign_operation(session: AsyncSession, operation_id: UUID) -> dict[str, Any] | None:
    """The creation of a campaign as an operation, where whoever asks may see it."""
    found = await session.get(Campaign, operation_id)
    return None if found is None else operation(found)


def _ours(campaign: Campaign) -> dict[str, Any]:
    return {"id": str(campaign.id), "state": campaign.state}


def _note(
    session: AsyncSession, campaign: Campaign, action: str, caller: Principal, request_id: str, **after: Any
) -> None:
    note(
        session,
        actor=caller.actor,
        action=ACTIONS[f"campaign.{action}"],
        of=("campaign", str(campaign.id)),
        tenant=campaign.tenant_id,
        before={"state": campaign.state},
        after={"campaign_id": campaign.campaign_id, **after},
        request_id=request_id,
    )
