"""Creating a campaign once. To create one is to dial, so a repeat would call people twice.

The campaign's id is looked for at Teli before anything is written: one that is there already is another's, or was made
elsewhere. Then the campaign is filed, in the transaction that holds the numbers it calls from, and sent once. What is
not clear is looked up by that id, by the worker; whoever asks again, with the same body, waits for what it comes to.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func

from service.audit.entries import note
from service.campaigns.answers import NOTHING, operation_state, otherwise, taken
from service.campaigns.models import Campaign
from service.campaigns.repository import CampaignRepository, Grounds
from service.campaigns.schemas import CampaignCreate
from service.campaigns.settling import PRESUMED, Settling
from service.db import Database
from service.idempotency.keys import fingerprint
from service.kit.clock import monotonic
from service.kit.errors import Fault, InvalidRequest, ServiceError, StorageUnavailable
from service.kit.types import OrganizationId, UserId, new_id
from service.numbers.drain import Drain
from service.numbers.errors import Draining, PurchasesStopped, UnknownUser
from service.numbers.ledger import SEND_WITHIN
from service.numbers.purchases import OperationState
from service.numbers.steps import seconds
from service.outbox.events import record
from service.teli.campaigns import Absent, Created, NotCreated, Standing, read_created, read_standing
from service.teli.client import SendBy, Upstreams
from service.teli.errors import UpstreamUnavailable
from service.teli.heard import Heard
from service.tenants.directory import Directory
from service.tenants.principals import Principal

# Beyond the time for which an answer is waited for; then the sender is taken to be lost.
MARGIN = 30.0
DRAINED_WITHIN = 5.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Told:
    """`answer` {status, body} where the outcome is known. `replayed`: it was asked for before."""

    operation_id: UUID
    state: OperationState
    answer: dict[str, Any] | None
    replayed: bool


class Creation:
    """`listen`: seconds for which an answer of Teli is waited for."""

    def __init__(
        self,
        database: Database,
        upstreams: Upstreams,
        directory: Directory,
        settling: Settling,
        drain: Drain,
        *,
        listen: float,
    ) -> None:
        self._database = database
        self._upstreams = upstreams
        self._directory = directory
        self._settling = settling
        self._drain = drain
        self._lease = listen + MARGIN
        self._under_way: set[asyncio.Task[ServiceError | None]] = set()

    async def create(
        self, caller: Principal, body: CampaignCreate, organization: OrganizationId, *, within: float, request_id: str
    ) -> Told:
        """Create a campaign, or tell what became of the one this id already names.

        `within`: seconds the caller wants to wait for the outcome.
        Raises: InvalidRequest for numbers and agents, all of them; UnknownUser; StateConflict for an id that is used
            otherwise; PurchasesStopped; UpstreamRefused; UpstreamUnavailable; Draining; StorageUnavailable: in each
            case this request created nothing.
        """
        if self._drain.begun:
            raise Draining
        until = monotonic() + within
        said = body.model_dump(exclude={"tenant_id"}, exclude_unset=True, include=set(CampaignCreate.model_fields))
        said_as = fingerprint(said | {"organization_id": organization})
        grounds, known = await self._look(caller, body, organization, said_as)
        if known is not None:
            return await self._wait(caller, known, until=until, replayed=True)
        if not grounds.user_known and not await self._directory.file_user(
            grounds.account_id, caller.tenant, organization, UserId(body.user_id)
        ):
            raise UnknownUser
        if not await self._is_free(grounds.account_id, body.campaign_id):
            # Perhaps by an equal request, since the look.
            _, known = await self._look(caller, body, organization, said_as)
            if known is None:
                raise taken()
            return await self._wait(caller, known, until=until, replayed=True)
        campaign, send_by = await self._file(caller, body, organization, said_as, request_id)
        if send_by is None:
            return await self._wait(caller, campaign, until=until, replayed=True)
        payload = body.for_teli(organization, grounds.teli_tenant_id)
        task = self._begin(self._send(caller, campaign, payload, send_by))
        await self._drain.wait({task}, until=until)
        if task.done() and (refusal := task.result()) is not None:
            raise refusal
        return await self._wait(caller, campaign, until=until, replayed=False)

    async def drain(self) -> None:
        """Let what requests sent come to its end; what does not within seconds is looked up by the worker."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAINED_WITHIN)

    async def _look(
        self, caller: Principal, body: CampaignCreate, organization: OrganizationId, fingerprint: bytes
    ) -> tuple[Grounds, Campaign | None]:
        """Before Teli is asked anything: what would refuse it, and the campaign that there is already."""
        async with self._database.acting(tenant=caller.tenant, bounds=caller.bounds) as session:
            campaigns = CampaignRepository(session)
            grounds = await campaigns.grounds(caller.tenant, organization, body.user_id)
            was = await campaigns.of_id(grounds.account_id, body.campaign_id)
            if was is not None and not _may_be_begun_anew(was):
                _check_same(was, fingerprint)
                return grounds, was
            _check(grounds)
            await self._check_numbers(campaigns, caller, body, organization, grounds.account_id, lock=False)
        return grounds, None

    async def _is_free(self, account: UUID, campaign_id: str) -> bool:
        """Whether Teli knows no campaign of this id. Raises: UpstreamUnavailable."""
        teli = await self._upstreams.of(account)
        match read_standing(await teli.campaign(campaign_id)):
            case Absent():
                return True
            case Standing():
                return False
            case _:
                raise UpstreamUnavailable(f"Teli could not be asked whether this campaign_id is free; {NOTHING}.")

    async def _file(
        self, caller: Principal, body: CampaignCreate, organization: OrganizationId, fingerprint: bytes, request_id: str
    ) -> tuple[Campaign, SendBy | None]:
        """The campaign in the ledger, and by when it must be sent; None where somebody else was quicker."""
        send_by = SendBy.within(SEND_WITHIN)
        async with self._database.acting(tenant=caller.tenant, bounds=caller.bounds) as session:
            campaigns = CampaignRepository(session)
            grounds = await campaigns.grounds(caller.tenant, organization, body.user_id)
            was = await campaigns.of_id(grounds.account_id, body.campaign_id, lock=True)
            if was is not None and not _may_be_begun_anew(was):
                _check_same(was, fingerprint)
                return was, None
            _check(grounds)
            numbers = await self._check_numbers(campaigns, caller, body, organization, grounds.account_id, lock=True)
            values = self._values(caller, body, organization, grounds.account_id, fingerprint, request_id)
            if was is not None:
                await campaigns.begin_anew(was, values, numbers)
            elif not await campaigns.add(values, numbers):
                # Filed a moment ago by an equal request, or by somebody whose campaigns are not to be seen.
                quicker = await campaigns.of_id(grounds.account_id, body.campaign_id)
                if quicker is None:
                    raise taken()
                _check_same(quicker, fingerprint)
                return quicker, None
            campaign = await campaigns.get(values["id"] if was is None else was.id)
            after = {
                "campaign_id": body.campaign_id,
                "organization_id": organization,
                "user_id": body.user_id,
                "caller_ids": sorted(body.caller_ids().values()),
                "leads": campaign.leads,
            }
            note(
                session,
                actor=caller.actor,
                action="campaign.sending",
                of=("campaign", str(campaign.id)),
                tenant=caller.tenant,
                before=None if was is None else {"state": "refused"},
                after={"state": "sending", **after},
                request_id=request_id,
            )
            await record(session, caller.tenant, "campaign.sending", id=str(campaign.id), campaign_id=body.campaign_id)
        return campaign, send_by

    def _values(
        self,
        caller: Principal,
        body: CampaignCreate,
        organization: OrganizationId,
        account: UUID,
        fingerprint: bytes,
        request_id: str,
    ) -> dict[str, Any]:
        ends = func.clock_timestamp() + seconds(self._lease)
        return {
            "id": new_id(),
            "tenant_id": caller.tenant,
            "account_id": account,
            "organization_id": organization,
            "user_id": body.user_id,
            "campaign_id": body.campaign_id,
            "caller_id": body.agent_outbound_number,
            "voice_agent_id": body.voice_agent_id,
            "leads": len(body.leads),
            "invalid_leads": body.invalid_leads,
            "begins": body.campaign_begin_time,
            "ends": body.campaign_end_time,
            "fingerprint": fingerprint,
            "state": "sending",
            "actor": caller.actor,
            "request_id": request_id,
            "warnings": list(body.warnings()),
            "lease_until": ends,
            "look_at": ends,
        }

    async def _check_numbers(
        self,
        campaigns: CampaignRepository,
        caller: Principal,
        body: CampaignCreate,
        organization: OrganizationId,
        account: UUID,
        *,
        lock: bool,
    ) -> list[UUID]:
        """The ids of the numbers it calls from. Raises: InvalidRequest, with all that is wrong with numbers and agent.

        Teli checks none of it: a campaign from a number that is somebody else's would call as somebody else.
        """
        faults, ids = await campaigns.faults_of_numbers(
            caller.tenant, account, organization, body.caller_ids(), lock=lock
        )
        if not caller.policy.allows_agent(body.voice_agent_id):
            told = "is not among the agents that your tenant's policy allows; an administrator can add it"
            faults.append(Fault("/voice_agent_id", told))
        if faults:
            raise InvalidRequest(*faults)
        return ids

    async def _send(
        self, caller: Principal, campaign: Campaign, payload: dict[str, Any], send_by: SendBy
    ) -> ServiceError | None:
        """What it was refused with. Where the outcome cannot be filed the worker looks for it, after the lease."""
        try:
            teli = await self._upstreams.of(campaign.account_id)
            heard = await teli.create_campaign(payload, send_by=send_by)
        except ServiceError as error:
            heard = Heard("never_sent", detail=str(error))
        evidence = heard.evidence()
        try:
            match read_created(heard, campaign.campaign_id):
                case Created(told):
                    await self._settling.created(campaign, told, evidence, caller.tenant, how="answer")
                case NotCreated() as refused:
                    return await self._settling.refused(campaign, refused, evidence, caller.tenant)
                case unclear:
                    await self._settling.unclear(campaign, unclear.reason, evidence, caller.tenant)
        except StorageUnavailable:
            log.error("what became of a campaign could not be filed", campaign=str(campaign.id), heard=heard.status)
        return None

    async def _wait(self, caller: Principal, campaign: Campaign, *, until: float, replayed: bool) -> Told:
        """How the campaign stands, once it is decided or the time is over."""
        pause = 0.05
        while True:
            async with self._database.acting(tenant=caller.tenant, bounds=caller.bounds) as session:
                found = await CampaignRepository(session).get(campaign.id)
            state, left = operation_state(found), self._drain.left(until)
            if state != "pending" or left <= 0:
                return Told(found.id, state, found.answer, replayed)
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, 1.0)

    def _begin(self, work: Coroutine[Any, Any, ServiceError | None]) -> "asyncio.Task[ServiceError | None]":
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task


def _check(grounds: Grounds) -> None:
    """Raises: PurchasesStopped, UpstreamUnavailable."""
    if grounds.stopped or grounds.suspended:
        raise PurchasesStopped(suspended=grounds.suspended)
    if not grounds.listed:
        raise UpstreamUnavailable(f"The account was not listed yet; {NOTHING}.")


def _may_be_begun_anew(campaign: Campaign) -> bool:
    """Refused for certain: its id holds nothing. What was only never seen keeps its id for good."""
    return campaign.state == "refused" and campaign.decision != PRESUMED


def _check_same(campaign: Campaign, fingerprint: bytes) -> None:
    if campaign.fingerprint != fingerprint:
        raise otherwise()
