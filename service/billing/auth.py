"""Who may see and do what of billing, and whom its transactions act for."""

from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import Database
from service.tenants.auth import holding
from service.tenants.principals import Principal

BillingRead = Annotated[Principal, Depends(holding("billing:read"))]
BillingWrite = Annotated[Principal, Depends(holding("billing:write"))]


def acting_for(database: Database, caller: Principal) -> AbstractAsyncContextManager[AsyncSession]:
    """A tenant reads its own charges; whoever acts for none, those of the organisations that it sees."""
    if caller.tenant_id is not None:
        return database.acting(tenant=caller.tenant_id, bounds=caller.bounds)
    return database.acting(duty="finance", sees=caller.sees, bounds=caller.bounds)
