"""Events of a number that is held, each with whose and which it is."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.numbers.models import Number
from service.outbox.events import record


async def tell(session: AsyncSession, number: Number, kind: str, **payload: Any) -> None:
    """As `record`. The number's row is locked by the transaction, so that its events are in order."""
    await record(
        session,
        number.tenant_id,
        kind,
        number_id=number.id,
        phone_number=number.phone_number,
        organization_id=number.organization_id,
        user_id=number.user_id,
        **payload,
    )
