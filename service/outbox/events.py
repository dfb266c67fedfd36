"""Writing events, always in the transaction of the change they tell of."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.outbox.models import OutboxEvent


async def record(
    session: AsyncSession,
    tenant: str,
    kind: str,
    *,
    number_id: UUID | None = None,
    intent_id: UUID | None = None,
    **payload: Any,
) -> None:
    """`kind` is the event's stable name, such as `number.released`."""
    session.add(OutboxEvent(tenant_id=tenant, kind=kind, number_id=number_id, intent_id=intent_id, payload=payload))
