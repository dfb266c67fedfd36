"""Who may order what, and whom the transactions of an order act for."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Annotated

from fastapi import Depends
from sqlalchemy import ARRAY, ColumnElement, Text, cast
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.numbers.auth import STAFF, check_may_set
from service.orders.models import Order
from service.tenants.auth import holding
from service.tenants.keys import Unauthenticated
from service.tenants.principals import NotYourTenant, Principal, Principals
from service.tenants.visible import Visible

CHANGES = ("numbers:release", "numbers:update", "numbers:create", "agents:link")
# Which of them a change takes, the service checks.
MayOrder = Annotated[Principal, Depends(holding(*CHANGES, STAFF))]
MayBuy = Annotated[Principal, Depends(holding("numbers:create", STAFF))]


def check_rights(caller: Principal, kind: str, members: Collection[str]) -> None:
    """`members`: what is to be set. Raises: ScopeMissing; NotYourTenant for who acts for none."""
    if caller.may(STAFF):
        return
    if kind == "buy":
        caller.need("numbers:create")
    if kind == "release":
        caller.need("numbers:release")
    check_may_set(caller, members)
    caller.tenant  # noqa: B018  Raises.


def owner_of(caller: Principal) -> str | None:
    """The tenant that it orders for; None for an administrator, who may change whoever's numbers."""
    return None if caller.may(STAFF) else caller.tenant


def check_own(caller: Principal, order: Order) -> None:
    """Whoever sees the orders of other tenants changes their own alone. Raises: NotYourTenant."""
    if owner_of(caller) not in (None, order.tenant_id):
        raise NotYourTenant("It is another tenant's order: only that tenant or an administrator may cancel it.")


async def buying_for(caller: Principal, named: str | None, principals: Principals) -> Principal:
    """Who orders new numbers: a tenant; or an administrator, who has what the tenant that he names was granted.

    Raises: NotYourTenant, also where there is no such tenant; StorageUnavailable.
    """
    if not caller.may(STAFF):
        if named not in (None, caller.tenant):
            raise NotYourTenant("tenant_id must be absent or your own.")
        return caller
    if named is None:
        raise NotYourTenant("This key acts for no tenant; name one in tenant_id, or use a tenant's own key.")
    try:
        tenant = await principals.of_tenant(named)
    except Unauthenticated:
        raise NotYourTenant("There is no tenant of that tenant_id, or it was closed.") from None
    return replace(
        tenant, key_id=caller.key_id, subject=caller.subject, kind=caller.kind, scopes=caller.scopes, sees=caller.sees
    )


def visible_to(caller: Principal) -> Visible:
    """The numbers that it may mean: what it sees and may not change is told apart from what there is not."""
    if caller.may(STAFF):
        return Visible(None, caller.sees)
    return Visible.to(caller)


def acting_for(database: Database, caller: Principal) -> AbstractAsyncContextManager[AsyncSession]:
    if caller.may("admin:read"):
        return database.acting(duty="admin", sees=caller.sees)
    visible = visible_to(caller)
    return database.acting(tenant=visible.tenant_id, sees=visible.sees, bounds=caller.bounds)


def orders_of(caller: Principal) -> list[ColumnElement[bool]]:
    """The orders that it may see; row-level security says the same."""
    if not caller.may("admin:read"):
        return [Order.tenant_id == caller.tenant_id]
    return [] if "*" in caller.sees else [Order.organization_ids.op("<@")(cast(list(caller.sees), ARRAY(Text)))]
