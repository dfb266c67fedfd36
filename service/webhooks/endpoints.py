"""Webhook endpoints and their deliveries, over REST: a tenant's own, or of the tenant that an administrator names."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyReused
from service.idempotency.once import Once
from service.kit.errors import NotFound, StateConflict
from service.kit.types import TenantId
from service.tenants.auth import CREDENTIALS, authenticate
from service.tenants.endpoints import AUTH, TenantQuery
from service.tenants.listings import Listings
from service.tenants.principals import NotYourOrganization, NotYourUser, Principal
from service.webhooks.feed_endpoints import check_unbound
from service.webhooks.schemas import (
    DeliveryOut,
    DeliveryPage,
    DeliveryState,
    RedeliverSince,
    RedeliveryOut,
    WebhookCreate,
    WebhookMade,
    WebhookOut,
    WebhookPage,
    WebhookPatch,
    WebhookRotate,
    WebhookTested,
)
from service.webhooks.webhooks import Webhooks

router = APIRouter(prefix="/v1/webhook-endpoints", tags=["events"], dependencies=CREDENTIALS, route_class=OwnRoute)
WHOLE = (NotYourOrganization, NotYourUser, *AUTH)


async def webhooks(request: Request) -> Webhooks:
    found: Webhooks = request.app.state.services.webhooks
    return found


def acting(scope: str, staff: str) -> Callable[..., Awaitable[Principal]]:
    """A dependency: a tenant with `scope`, for itself; or an administrator with `staff`, for the tenant that they name.

    Raises: ScopeMissing, NotYourTenant, NotYourOrganization, NotYourUser; InvalidRequest for a tenant that is none.
    """

    async def found(
        request: Request, caller: Annotated[Principal, Depends(authenticate)], tenant_id: TenantQuery = None
    ) -> Principal:
        if tenant_id is not None and caller.tenant_id is None:
            caller.need(staff)
            listings: Listings = request.app.state.services.listings
            await listings.check_tenant(tenant_id)
            return replace(caller, tenant_id=TenantId(tenant_id))
        caller.need(scope)
        caller.check_tenant_id(tenant_id)
        check_unbound(caller)
        return caller

    return found


Reader = Annotated[Principal, Depends(acting("events:read", "admin:read"))]
Writer = Annotated[Principal, Depends(acting("webhooks:write", "admin:write"))]
WebhooksDep = Annotated[Webhooks, Depends(webhooks)]


async def once_of(caller: Writer, keyed: Keyed) -> Once:
    return replace(keyed, owner=caller.tenant)


OnceDep = Annotated[Once, Depends(once_of)]


@router.post("", status_code=201, responses=problems(StateConflict, IdempotencyKeyReused, *WHOLE))
async def create_webhook(
    body: WebhookCreate, caller: Writer, webhooks: WebhooksDep, once: OnceDep, request_id: RequestId
) -> WebhookMade:
    """Have events sent to a URL, from now on. The secret that they are signed with is shown this once.

    Sent by Standard Webhooks, at least once and in order for each number; what is answered by anything but a 2xx is
    sent again, for three days.
    """
    return WebhookMade.model_validate(await webhooks.create(caller, body.wish(), request_id, once))


@router.get("", responses=problems(*WHOLE))
async def list_webhooks(
    caller: Reader, webhooks: WebhooksDep, limit: Limit = 100, cursor: Cursor = None
) -> WebhookPage:
    """The tenant's endpoints, and how they stand."""
    return WebhookPage.model_validate(await webhooks.page(caller, limit=limit, cursor=cursor))


@router.get("/{endpoint_id}", responses=problems(NotFound, *WHOLE))
async def get_webhook(endpoint_id: UUID, caller: Reader, webhooks: WebhooksDep) -> WebhookOut:
    """One endpoint."""
    return WebhookOut.model_validate(await webhooks.get(caller, endpoint_id))


@router.patch("/{endpoint_id}", responses=problems(NotFound, IdempotencyKeyReused, *WHOLE))
async def patch_webhook(
    endpoint_id: UUID,
    body: WebhookPatch,
    caller: Writer,
    webhooks: WebhooksDep,
    once: OnceDep,
    request_id: RequestId,
) -> WebhookOut:
    """Change where, what and whether an endpoint is sent. What waited for it while it was disabled is sent then."""
    return WebhookOut.model_validate(await webhooks.change(caller, endpoint_id, body.wish(), request_id, once))


@router.delete("/{endpoint_id}", status_code=204, responses=problems(NotFound, *WHOLE))
async def delete_webhook(endpoint_id: UUID, caller: Writer, webhooks: WebhooksDep, request_id: RequestId) -> Response:
    """Send nothing more, and forget what was delivered. What is under way may still arrive."""
    await webhooks.delete(caller, endpoint_id, request_id)
    return Response(status_code=204)


@router.post("/{endpoint_id}/rotate", responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *WHOLE))
async def rotate_webhook(
    endpoint_id: UUID,
    body: WebhookRotate,
    caller: Writer,
    webhooks: WebhooksDep,
    once: OnceDep,
    request_id: RequestId,
) -> WebhookMade:
    """A new secret, shown this once. Until the overlap is over each event has both signatures."""
    made = await webhooks.rotate(caller, endpoint_id, overlap=body.overlap_seconds, request_id=request_id, once=once)
    return WebhookMade.model_validate(made)


@router.post("/{endpoint_id}/test", responses=problems(NotFound, StateConflict, *WHOLE))
async def test_webhook(endpoint_id: UUID, caller: Writer, webhooks: WebhooksDep) -> WebhookTested:
    """Send an event of type `webhook.test` now, once, and tell what came of it."""
    return WebhookTested.model_validate(await webhooks.test(caller, endpoint_id))


@router.get("/{endpoint_id}/deliveries", responses=problems(NotFound, *WHOLE))
async def list_deliveries(
    endpoint_id: UUID,
    caller: Reader,
    webhooks: WebhooksDep,
    state: Annotated[DeliveryState | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DeliveryPage:
    """What became of each event that was to be sent to an endpoint, newest first."""
    page = await webhooks.deliveries(caller, endpoint_id, state, limit=limit, cursor=cursor)
    return DeliveryPage.model_validate(page)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/redeliver",
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *WHOLE),
)
async def redeliver_one(
    endpoint_id: UUID,
    delivery_id: UUID,
    caller: Writer,
    webhooks: WebhooksDep,
    once: OnceDep,
    request_id: RequestId,
) -> DeliveryOut:
    """Have one event sent again, with the same id."""
    found = await webhooks.redeliver(caller, endpoint_id, delivery_id, request_id, once)
    return DeliveryOut.model_validate(found)


@router.post(
    "/{endpoint_id}/redeliver",
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *WHOLE),
)
async def redeliver_since(
    endpoint_id: UUID,
    body: RedeliverSince,
    caller: Writer,
    webhooks: WebhooksDep,
    once: OnceDep,
    request_id: RequestId,
) -> RedeliveryOut:
    """Have all events since a time sent again, in their order and with the same ids, those too that were delivered."""
    found = await webhooks.redeliver_since(caller, endpoint_id, body.since, request_id, once)
    return RedeliveryOut.model_validate(found)
