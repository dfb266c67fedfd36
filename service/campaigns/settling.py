"""Filing what was heard of a campaign: one transaction each, with its audit row and its event.

A decision is taken once; of an attempt that was decided otherwise meanwhile nothing is changed. The exception is proof
that it was created, which is never thrown away.
"""

from typing import Any

import structlog
from sqlalchemy import and_, func, or_

from service.audit.actions import ACTIONS
from service.audit.entries import note
from service.campaigns.answers import created, refusal
from service.campaigns.models import Campaign
from service.campaigns.repository import UNDECIDED, CampaignRepository
from service.db import Database
from service.http.problems import problem_body
from service.kit.errors import ServiceError
from service.kit.types import TenantId
from service.numbers.steps import seconds
from service.observability.metrics import ALARMS, CAMPAIGNS
from service.outbox.events import record
from service.teli.campaigns import NotCreated

WORKER = "worker"
# The first look at what is not clear, and at what was just created.
SOON = 2.0
PRESUMED = "presumed"
log = structlog.get_logger()


class Settling:
    """`looked_at_every`: seconds between two looks at a campaign that is not over."""

    def __init__(self, database: Database, *, looked_at_every: float) -> None:
        self._database = database
        self._every = looked_at_every

    async def created(
        self, campaign: Campaign, told: dict[str, Any], evidence: dict[str, Any], tenant: TenantId | None, *, how: str
    ) -> None:
        """It was created. Also where that comes late, after it was given up."""
        undecided = or_(Campaign.state.in_(UNDECIDED), and_(Campaign.state == "refused", Campaign.decision == PRESUMED))
        values = {"answer": created(campaign, told), **self._seen(evidence, how)}
        await self._decide(campaign, "running", values, tenant, undecided, after={"how": how})

    async def refused(
        self, campaign: Campaign, refused: NotCreated, evidence: dict[str, Any], tenant: TenantId | None
    ) -> ServiceError:
        """Nothing was created, for certain. Returns what the caller is told."""
        error = refusal(refused)
        await self._refuse(campaign, error, refused.reason, evidence, tenant)
        return error

    async def given_up(self, campaign: Campaign, error: ServiceError, evidence: dict[str, Any]) -> None:
        """It was never seen, in all the time in which it should have been."""
        await self._refuse(campaign, error, PRESUMED, evidence, None)

    async def _refuse(
        self, campaign: Campaign, error: ServiceError, why: str, evidence: dict[str, Any], tenant: TenantId | None
    ) -> None:
        answer = {"status": error.status, "body": problem_body(error, campaign.request_id).decode()}
        values = {"answer": answer, "decision": why, "evidence": evidence, "send_ended_at": func.clock_timestamp()}
        undecided = Campaign.state.in_(UNDECIDED)
        await self._decide(campaign, "refused", values, tenant, undecided, after={"why": why})

    async def unclear(self, campaign: Campaign, why: str, evidence: dict[str, Any], tenant: TenantId | None) -> None:
        """It may have been created: it is looked for from now on, and never sent again."""
        values = {
            "decision": why,
            "evidence": evidence,
            "send_ended_at": func.clock_timestamp(),
            "look_at": func.clock_timestamp() + seconds(SOON),
        }
        await self._decide(campaign, "doubtful", values, tenant, Campaign.state == "sending", after={"why": why})

    def _seen(self, evidence: dict[str, Any], how: str) -> dict[str, Any]:
        return {
            "decision": how,
            "evidence": evidence,
            "decided_at": func.clock_timestamp(),
            "send_ended_at": func.coalesce(Campaign.send_ended_at, func.clock_timestamp()),
            "look_at": func.clock_timestamp() + seconds(min(SOON, self._every)),
            "absences": 0,
            "absent_since": None,
        }

    async def _decide(
        self,
        campaign: Campaign,
        state: str,
        values: dict[str, Any],
        tenant: TenantId | None,
        only: Any,
        *,
        after: dict[str, Any],
    ) -> None:
        ended = {"decided_at": func.clock_timestamp()} if state == "refused" else {}
        async with self._database.acting(tenant=tenant) as session:
            moved = await CampaignRepository(session).move(campaign, {"state": state, **ended, **values}, only)
            if moved is None:
                log.info("a campaign was decided by another", campaign=str(campaign.id), heard=state)
                return
            action = {"running": "created", "refused": "refused", "doubtful": "doubtful"}[state]
            note(
                session,
                actor=campaign.actor if tenant is not None else WORKER,
                action=ACTIONS[f"campaign.{action}"],
                of=("campaign", str(campaign.id)),
                tenant=campaign.tenant_id,
                before={"state": campaign.state},
                after={"state": state, "campaign_id": campaign.campaign_id, **after},
                request_id=campaign.request_id,
            )
            await record(
                session, campaign.tenant_id, f"campaign.{action}", campaign_id=campaign.campaign_id, id=str(campaign.id)
            )
        CAMPAIGNS.labels(action).inc()
        if campaign.state == "refused":
            ALARMS.labels("campaign_after_all").inc()
            log.error("a campaign that was given up was created after all", campaign=str(campaign.id))
        elif state == "doubtful":
            log.warning("a campaign is in doubt", campaign=str(campaign.id), **after)
