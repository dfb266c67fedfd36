"""Whose a saved filter is, who sees it, and who may change it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import ColumnElement, or_, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.inventory.saved.models import SavedFilter
from service.numbers.auth import STAFF
from service.tenants.principals import Principal

PRESENT = text("SELECT set_config('numbergate.actor', :actor, true)")


def owner_of(caller: Principal) -> str:
    """A tenant's are those of all of its keys: a key that is rotated leaves none behind."""
    return caller.tenant_id or f"@{caller.actor}"


@asynccontextmanager
async def acting_for(database: Database, caller: Principal) -> AsyncIterator[AsyncSession]:
    async with database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
        if caller.tenant_id is None:
            # Row-level security shows what is of this one, and of nobody else who acts for no tenant.
            await session.execute(PRESENT, {"actor": caller.actor})
        yield session


def visible_to(caller: Principal) -> ColumnElement[bool]:
    """Its own, and those that are shared where it is granted or sees; row-level security says the same."""
    own = SavedFilter.tenant_id == owner_of(caller)
    if "*" in caller.sees:
        return or_(own, SavedFilter.organization_id.is_not(None))
    return or_(own, SavedFilter.organization_id.in_({*caller.organization_ids, *caller.sees}))


def check_may_keep(caller: Principal) -> None:
    """Who reads what is administered and administers nothing is there to look. Raises: ScopeMissing."""
    if caller.may("admin:read"):
        caller.need(STAFF)


def may_change(caller: Principal, found: SavedFilter) -> bool:
    if found.tenant_id == owner_of(caller):
        return True
    return found.organization_id is not None and _administers(caller, found.organization_id)


def _administers(caller: Principal, organization: str) -> bool:
    """Whoever acts for no tenant and sees some organisations alone is their administrator."""
    of_some = caller.tenant_id is None and "*" not in caller.sees
    return caller.sees_organization(organization) and (of_some or caller.may(STAFF))
