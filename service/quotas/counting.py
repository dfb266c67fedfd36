"""Counting what a tenant holds, always in the transaction that changes it."""

from typing import Literal

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from service.quotas.models import TenantQuota


async def count_held(session: AsyncSession, tenant: str, by: Literal[1, -1]) -> None:
    """One number more or one less; past a limit too, for what is counted here exists already."""
    await session.execute(update(TenantQuota).where(TenantQuota.tenant_id == tenant).values(used=TenantQuota.used + by))
