"""Teli's paths of campaigns."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator

from service.campaigns.campaigns import Campaigns, Verb
from service.campaigns.creating import Creation, Told
from service.campaigns.following import Following
from service.campaigns.schemas import (
    CampaignCreate,
    CampaignCreated,
    CampaignId,
    CampaignList,
    CampaignMoved,
    CampaignOut,
)
from service.http.openapi import problems
from service.http.params import RequestId, Warnings
from service.http.prefer import Patience
from service.http.problems import MEDIA_TYPE
from service.http.routes import TeliRoute
from service.kit.errors import NotFound, StateConflict
from service.kit.text import plain
from service.numbers.endpoints import ACCEPTED, ORGANIZATION, accepted, organization_of, warned
from service.numbers.errors import (
    Draining,
    PurchasesStopped,
    UnknownUser,
    UpstreamRefused,
    UpstreamUnavailable,
)
from service.tenants.auth import CREDENTIALS, CampaignsRead, CampaignsWrite
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser

router = APIRouter(prefix="/v1/voice/campaigns", tags=["campaigns"], dependencies=CREDENTIALS, route_class=TeliRoute)


@dataclass(frozen=True, slots=True)
class CampaignServices:
    creation: Creation
    campaigns: Campaigns
    following: Following
    answer_within: float


async def campaign_services(request: Request) -> CampaignServices:
    found: CampaignServices = request.app.state.services.campaigns
    return found


ServicesDep = Annotated[CampaignServices, Depends(campaign_services)]
PathCampaign = Annotated[
    CampaignId, Path(description="As it was created; blanks as %20", examples=["spring-offer-2026"])
]
Text = Annotated[str, AfterValidator(plain), Query(min_length=1, max_length=128)]


@router.post(
    "",
    response_model=CampaignCreated,
    responses=problems(
        UnknownUser, NotYourOrganization, NotYourUser, StateConflict, UpstreamRefused, UpstreamUnavailable,
        PurchasesStopped, Draining, *AUTH,
    ) | ACCEPTED,
)  # fmt: skip
async def create_campaign(
    caller: CampaignsWrite,
    body: CampaignCreate,
    services: ServicesDep,
    patience: Patience,
    request_id: RequestId,
    unknown: Warnings,
) -> Response:
    """Create a campaign, which begins to call at once.

    It calls from numbers that you hold in that organisation, and from no others. `campaign_id` makes it happen once:
    the same body again gets the same answer, another body is refused. Where Teli's answer is lost the campaign is
    looked up by its id and never sent again; until then the answer is a 202.
    """
    caller.check_tenant_id(body.tenant_id)
    caller.check_user(body.user_id)
    organization = organization_of(caller, body.organization_id)
    within = services.answer_within if patience is None else patience
    told = await services.creation.create(caller, body, organization, within=within, request_id=request_id)
    return _told(told)


@router.get("", response_model=CampaignList, responses=problems(NotYourOrganization, UpstreamUnavailable, *AUTH))
async def list_campaigns(
    caller: CampaignsRead,
    services: ServicesDep,
    warnings: Warnings,
    organization_id: Annotated[
        str, AfterValidator(plain), Query(min_length=1, max_length=128, examples=[ORGANIZATION])
    ],
    tenant_id: Text | None = None,
    is_admin: Annotated[bool, Query(description="Of all tenants; needs the scope inventory:org")] = False,
) -> Response:
    """The campaigns that you created in an organisation, as Teli tells of them; with `is_admin` all tenants'."""
    caller.check_organization(organization_id, whole=is_admin)
    if tenant_id is not None:
        caller.check_tenant_id(tenant_id)
    rows = await services.campaigns.of_organization(caller, organization_id, whole=is_admin)
    return warned({"success": True, "count": len(rows), "campaigns": rows, "powered_by": "Teli"}, warnings)


@router.get(
    "/{campaign_id}",
    response_model=CampaignOut,
    responses=problems(NotFound, UpstreamUnavailable, *AUTH) | ACCEPTED,
)
async def get_campaign(
    campaign_id: PathCampaign, caller: CampaignsRead, services: ServicesDep, warnings: Warnings
) -> Response:
    """How a campaign stands; 202 while it is not known whether Teli created it."""
    found = await services.campaigns.one(caller, campaign_id)
    return warned(found, warnings) if isinstance(found, dict) else accepted(found.id, "pending")


MOVES: dict[str, Any] = {
    "response_model": CampaignMoved,
    "responses": problems(NotFound, StateConflict, UpstreamRefused, UpstreamUnavailable, *AUTH),
}


@router.post("/{campaign_id}/pause", **MOVES)
async def pause_campaign(
    campaign_id: PathCampaign,
    caller: CampaignsWrite,
    services: ServicesDep,
    request_id: RequestId,
    warnings: Warnings,
) -> Response:
    """Call nobody further; running calls finish. Asking again is harmless."""
    return await _moved(services, caller, campaign_id, "pause", request_id, warnings)


@router.post("/{campaign_id}/end", **MOVES)
async def end_campaign(
    campaign_id: PathCampaign,
    caller: CampaignsWrite,
    services: ServicesDep,
    request_id: RequestId,
    warnings: Warnings,
) -> Response:
    """End a campaign for good; its numbers can be released then. Asking again is harmless."""
    return await _moved(services, caller, campaign_id, "end", request_id, warnings)


async def _moved(
    services: CampaignServices,
    caller: CampaignsWrite,
    campaign_id: str,
    verb: Verb,
    request_id: str,
    warnings: list[str],
) -> Response:
    return warned(await services.campaigns.move(caller, campaign_id, verb, request_id=request_id), warnings)


def _told(told: Told) -> Response:
    if told.answer is None:
        return accepted(told.operation_id, told.state)
    status = told.answer["status"]
    answer = Response(told.answer["body"], status, media_type="application/json" if status == 200 else MEDIA_TYPE)
    if told.replayed:
        answer.headers["Idempotent-Replayed"] = "true"
    if status == 503:
        answer.headers["Retry-After"] = "5"
    return answer
