"""Looking at campaigns until they are over: those in doubt, for proof, and those that call, for the numbers they hold.

A few at a time, each look a request that changes nothing; while Teli errs there is no next one.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func

from service.audit.actions import ACTIONS
from service.audit.entries import note
from service.campaigns.absence import apart, is_absent
from service.campaigns.models import Campaign
from service.campaigns.repository import UNDECIDED, CampaignRepository
from service.campaigns.settling import WORKER, Settling
from service.db import Database
from service.kit.clock import utc_now
from service.numbers.errors import UpstreamRefused
from service.numbers.steps import seconds
from service.outbox.events import record
from service.teli.campaigns import Absent, Standing, Unclear, read_standing
from service.teli.client import Upstreams
from service.teli.heard import Heard

AT_ONCE = 10
# Longer than any one look.
LEASE = 60.0
log = structlog.get_logger()


class Following:
    """`window`: for settling. `looked_at_every`: seconds between two looks at a campaign that calls."""

    def __init__(
        self,
        database: Database,
        upstreams: Upstreams,
        settling: Settling,
        *,
        window: timedelta,
        looked_at_every: float,
    ) -> None:
        self._database = database
        self._upstreams = upstreams
        self._settling = settling
        self._window = window
        self._every = looked_at_every

    async def run(self, account: UUID) -> None:
        """Look at those of an account that are due. Raises: UpstreamUnavailable; StorageUnavailable."""
        async with self._database.acting() as session:
            due = await CampaignRepository(session).claim_due(account, limit=AT_ONCE, lease=LEASE)
        for campaign in due:
            teli = await self._upstreams.of(account)
            if not await self._look(campaign, await teli.campaign(campaign.campaign_id)):
                log.warning("campaigns cannot be looked at just now", account=teli.name)
                return

    async def _look(self, campaign: Campaign, heard: Heard) -> bool:
        """File what a look showed; whether it showed anything."""
        found = read_standing(heard)
        match found:
            case Unclear():
                await self._later(campaign)
                return False
            case Absent():
                await self._absent(campaign, heard)
            case Standing() if campaign.state in UNDECIDED:
                await self._settling.created(campaign, {}, heard.evidence(), None, how="found")
            case Standing():
                await self._stands(campaign, found)
        return True

    async def _stands(self, campaign: Campaign, found: Standing) -> None:
        """What Teli told of a campaign that was created."""
        if found.state is None:
            log.warning("a campaign has a status that is not known", campaign=str(campaign.id), status=found.status)
        state = found.state or campaign.state
        values = {"progress": found.progress, "seen_at": func.clock_timestamp(), "absences": 0, "absent_since": None}
        await self._move(campaign, state, values)

    async def _absent(self, campaign: Campaign, heard: Heard) -> None:
        absences, now = campaign.absences + 1, utc_now()
        if campaign.state in UNDECIDED:
            since = campaign.send_ended_at or campaign.lease_until
            if is_absent(absences=absences, since=since, now=now, window=self._window):
                how = "it was never seen at Teli; this campaign_id keeps that answer, choose another to call anew"
                error = UpstreamRefused(how, nothing="no campaign was created")
                await self._settling.given_up(campaign, error, heard.evidence())
                return
            await self._later(campaign, absences=absences)
            return
        since = campaign.absent_since or now
        if is_absent(absences=absences, since=since, now=now, window=self._window):
            await self._move(campaign, "gone", {"absences": absences})
            return
        await self._later(campaign, absences=absences, absent_since=since)

    async def _later(self, campaign: Campaign, **values: Any) -> None:
        pause = apart(self._window) if campaign.state in UNDECIDED or values else self._every
        async with self._database.acting() as session:
            doubtful = {"state": "doubtful"} if campaign.state == "sending" else {}
            look_at = func.clock_timestamp() + seconds(pause)
            await CampaignRepository(session).move(
                campaign, {"look_at": look_at, **values, **doubtful}, Campaign.state == campaign.state
            )

    async def _move(self, campaign: Campaign, state: str, values: dict[str, Any]) -> None:
        """Told where it changes something: what only goes on is no event."""
        look_at = func.clock_timestamp() + seconds(self._every)
        async with self._database.acting() as session:
            moved = await CampaignRepository(session).move(
                campaign, {"state": state, "look_at": look_at, **values}, Campaign.state == campaign.state
            )
            if moved is None or state == campaign.state:
                return
            note(
                session,
                actor=WORKER,
                action=ACTIONS[f"campaign.{state}"],
                of=("campaign", str(campaign.id)),
                tenant=campaign.tenant_id,
                before={"state": campaign.state},
                after={"state": state, **({"progress": moved.progress} if moved.progress else {})},
            )
            await record(
                session, campaign.tenant_id, f"campaign.{state}", campaign_id=campaign.campaign_id, id=str(campaign.id)
            )
