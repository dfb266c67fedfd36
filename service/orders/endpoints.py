"""Changing many numbers at once, and orders, over HTTP."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AfterValidator

from service.http.openapi import problems
from service.http.pages import Cursor, Limit
from service.http.params import RequestId
from service.http.routes import OwnRoute
from service.idempotency.asking import Keyed
from service.idempotency.keys import IdempotencyKeyRequired, IdempotencyKeyReused
from service.idempotency.once import Once
from service.kit.errors import NotFound, StateConflict
from service.kit.text import names_of, names_pattern
from service.numbers.endpoints import organization_of
from service.numbers.errors import InvalidAreaCode, PurchasesStopped, UpstreamUnavailable
from service.orders.auth import MayBuy, MayOrder, buying_for, owner_of
from service.orders.bulk import Bulk
from service.orders.errors import (
    InvalidSelectionToken,
    NotYourSelection,
    SelectionExpired,
    SelectionTooLarge,
    TooManyPreviews,
)
from service.orders.orders import Orders
from service.orders.placing import Placing
from service.orders.schemas import (
    ORDER_STATES,
    BulkIn,
    OrderIn,
    OrderItemPage,
    OrderOut,
    OrderPage,
    OrderShown,
    Outcome,
    PreviewOut,
    QuoteOut,
)
from service.quotas.errors import QuotaExceeded, RateLimited
from service.tenants.auth import CREDENTIALS, NumbersRead
from service.tenants.endpoints import AUTH
from service.tenants.principals import NotYourOrganization, NotYourUser, Principals

bulk_router = APIRouter(prefix="/v1/numbers", tags=["numbers"], dependencies=CREDENTIALS, route_class=OwnRoute)
router = APIRouter(prefix="/v1/orders", tags=["orders"], dependencies=CREDENTIALS, route_class=OwnRoute)


async def bulk(request: Request) -> Bulk:
    found: Bulk = request.app.state.services.bulk
    return found


async def orders(request: Request) -> Orders:
    found: Orders = request.app.state.services.orders
    return found


async def once_of(caller: MayOrder, keyed: Keyed) -> Once:
    """Whose key it is: the tenant's, or of an administrator his own."""
    return keyed.of(owner_of(caller), caller.actor)


OnceDep = Annotated[Once, Depends(once_of)]


async def own_once_of(caller: MayOrder, once: OnceDep) -> Once:
    """Of a preview and its token, which are his who asked."""
    return once.alone(caller.actor)


async def placing(request: Request) -> Placing:
    found: Placing = request.app.state.services.placing
    return found


async def principals_of(request: Request) -> Principals:
    found: Principals = request.app.state.services.principals
    return found


PrincipalsDep = Annotated[Principals, Depends(principals_of)]
PlacingDep = Annotated[Placing, Depends(placing)]
BulkDep = Annotated[Bulk, Depends(bulk)]
OrdersDep = Annotated[Orders, Depends(orders)]
OwnOnceDep = Annotated[Once, Depends(own_once_of)]
ORDERED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": OrderOut,
        "description": "Set going; look at the order.",
        "headers": {"Location": {"description": "The order's path", "schema": {"type": "string"}}},
    }
}


@bulk_router.post(
    "/bulk",
    response_model=PreviewOut,
    responses=problems(
        NotFound, StateConflict, IdempotencyKeyReused, NotYourOrganization, NotYourUser, InvalidSelectionToken,
        NotYourSelection, SelectionExpired, SelectionTooLarge, TooManyPreviews, RateLimited, *AUTH,
    ) | ORDERED,
)  # fmt: skip
async def bulk_numbers(
    body: BulkIn, caller: MayOrder, bulk: BulkDep, orders: OrdersDep, once: OwnOnceDep, request_id: RequestId
) -> Response:
    """Release many numbers, or set something of them, in two steps.

    `preview` shows what would become of the numbers that are selected, and changes none. `apply` has exactly that done,
    as an order; a number that was changed since is left out. A token that is applied again names the same order.
    """
    if body.token is not None:
        order = await bulk.apply(caller, body.token, request_id, once)
        told = OrderOut.model_validate(await orders.get(caller, order.id))
        location = {"Location": f"/v1/orders/{order.id}"}
        return _json(told.model_dump_json(), once, status=202, headers=location)
    assert body.selection is not None
    assert body.change is not None
    shown = await bulk.preview(caller, body.selection.selection(), body.change.change(), body.change.said(), once)
    return _json(PreviewOut.model_validate(shown).model_dump_json(), once)


@router.post(
    "",
    response_model=QuoteOut,
    responses=problems(
        InvalidAreaCode, IdempotencyKeyRequired, IdempotencyKeyReused, NotYourOrganization, NotYourUser, QuotaExceeded,
        RateLimited, PurchasesStopped, UpstreamUnavailable, *AUTH,
    ) | ORDERED,
)  # fmt: skip
async def order_numbers(
    body: OrderIn,
    asking: MayBuy,
    placing: PlacingDep,
    orders: OrdersDep,
    principals: PrincipalsDep,
    keyed: Keyed,
    request_id: RequestId,
) -> Response:
    """Order many new numbers. Quota for all of them is reserved at once, or the order is refused.

    They are bought one by one, by turns with other tenants' orders, and after purchases that are asked for one by one.
    With `dry_run` the answer tells what it would cost and how the limits stand, and nothing is written. An
    administrator orders for the tenant that `tenant_id` names, within its grants, policy and limits; an
    `Idempotency-Key` is that tenant's, whoever of them sends it.
    """
    caller = await buying_for(asking, body.tenant_id, principals)
    # Two administrators who send one request order once.
    once = replace(keyed, owner=caller.tenant)
    if once.key is None and caller.idempotency_required:
        raise IdempotencyKeyRequired
    wanted = body.wanted(organization_of(caller, body.organization_id))
    for user in wanted.users:
        caller.check_user(user)
    if body.dry_run:
        return _json(QuoteOut.model_validate(await placing.quote(caller, wanted)).model_dump_json(), once)
    order_id = await placing.place(caller, wanted, request_id, once)
    told = OrderOut.model_validate(await orders.get(caller, order_id))
    return _json(told.model_dump_json(), once, status=202, headers={"Location": f"/v1/orders/{order_id}"})


@router.get("", responses=problems(*AUTH))
async def list_orders(
    caller: NumbersRead,
    orders: OrdersDep,
    state: Annotated[
        str | None,
        AfterValidator(names_of(ORDER_STATES)),
        Query(
            description="One or several, separated by commas; without it all that were ever set going",
            max_length=200,
            json_schema_extra={"pattern": names_pattern(ORDER_STATES)},
            examples=["running,partial"],
        ),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> OrderPage:
    """Orders, newest first: a tenant's own; an administrator's all of the organisations that it sees."""
    states = tuple(set(state.split(","))) if state else None
    return OrderPage.model_validate(await orders.page(caller, states, limit=limit, cursor=cursor))


@router.get("/{order_id}", responses=problems(NotFound, *AUTH))
async def get_order(order_id: UUID, caller: NumbersRead, orders: OrdersDep) -> OrderShown:
    """One order: how far it is, and what became of its numbers. Of one's own preview, what it showed and its token."""
    return OrderShown.model_validate(await orders.shown(caller, order_id))


@router.get("/{order_id}/items", responses=problems(NotFound, *AUTH))
async def list_order_items(
    order_id: UUID,
    caller: NumbersRead,
    orders: OrdersDep,
    outcome: Outcome | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> OrderItemPage:
    """What became of each of its numbers, and why."""
    return OrderItemPage.model_validate(await orders.items(caller, order_id, outcome, limit=limit, cursor=cursor))


@router.post("/{order_id}/cancel", responses=problems(NotFound, StateConflict, IdempotencyKeyReused, *AUTH))
async def cancel_order(
    order_id: UUID, caller: MayOrder, orders: OrdersDep, once: OnceDep, request_id: RequestId
) -> OrderOut:
    """Stop an order: numbers that nobody has begun with stay as they are. Asking again is harmless."""
    return OrderOut.model_validate(await orders.cancel(caller, order_id, request_id, once))


@router.post(
    "/{order_id}/undo",
    responses=problems(NotFound, StateConflict, IdempotencyKeyReused, TooManyPreviews, RateLimited, *AUTH),
)
async def undo_order(order_id: UUID, caller: MayOrder, bulk: BulkDep, once: OwnOnceDep) -> PreviewOut:
    """Preview the inverse of an order that set something; its token has it done. A release cannot be undone."""
    return PreviewOut.model_validate(await bulk.undo(caller, order_id, once))


def _json(body: str, once: Once, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, {**once.headers, **(headers or {})}, "application/json")
