"""Writing events, always in the transaction of the change they tell of."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.outbox.catalogue import EVENTS
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
    """`kind` is the event's stable name, such as `number.released`, as `service.outbox.catalogue` lists it.

    Raises: KeyError, pydantic.ValidationError for what is not listed so: a fault of ours, that every test of the change
        meets.
    """
    named = {"number_id": number_id, "operation_id": intent_id}
    data = {name: value for name, value in named.items() if value is not None} | payload
    fitting = EVENTS[kind].model_validate(data).model_dump(mode="json", exclude_unset=True)
    kept = {name: value for name, value in fitting.items() if name not in named}
    session.add(OutboxEvent(tenant_id=tenant, kind=kind, number_id=number_id, intent_id=intent_id, payload=kept))
