"""One number, by our id or by its E.164, for whoever may see it."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from service.agents.models import AgentLink
from service.db import Database
from service.kit.errors import NotFound
from service.kit.phone import E164
from service.numbers.listing import in_force
from service.numbers.models import Number
from service.tenants.principals import Principal


class Lookup:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, caller: Principal, which: UUID | E164) -> dict[str, Any]:
        """A number; of several acquisitions of an E.164 the latest, for only that can be held.

        Raises: NotFound, also for what the caller may not see.
        """
        inbound, outbound = aliased(AgentLink), aliased(AgentLink)
        query = (
            select(
                *Number.__table__.columns,
                Number.intent_id.label("operation_id"),
                in_force(inbound).label("inbound_agent_id"),
                in_force(outbound).label("outbound_agent_id"),
            )
            .outerjoin(inbound, (inbound.number_id == Number.id) & (inbound.direction == "inbound"))
            .outerjoin(outbound, (outbound.number_id == Number.id) & (outbound.direction == "outbound"))
            .where(Number.id == which if isinstance(which, UUID) else Number.phone_number == which)
            .order_by(Number.acquired_at.desc())
            .limit(1)
        )
        async with self._database.acting(tenant=caller.tenant_id, sees=caller.sees, bounds=caller.bounds) as session:
            found = (await session.execute(query)).mappings().one_or_none()
        if found is None:
            raise NotFound
        return dict(found)
