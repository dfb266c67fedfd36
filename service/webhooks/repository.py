"""Endpoints, deliveries, and the events that are to be sent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import count_up
from service.kit.pagination import COUNTED
from service.outbox.feed import COLUMNS, head_of, of_types
from service.outbox.models import OutboxEvent
from service.webhooks.models import WebhookDelivery, WebhookEndpoint

# Of those that fail only the time of the next attempt is minded: nothing new is sent to them before. All are locked,
# those that are due too: a turn that does not see these events yet must not put its endpoint to rest before they are
# committed.
WAKE = text("""
    UPDATE webhook_endpoints
    SET due_at = CASE WHEN retry_at IS NULL THEN least(due_at, clock_timestamp()) ELSE due_at END
    WHERE tenant_id = ANY(:tenants) AND state = 'active'
""")
CLAIM = text("""
    UPDATE webhook_endpoints SET lease = :lease, leased_until = clock_timestamp() + CAST(:lasts AS interval)
    WHERE id IN (
      SELECT id FROM webhook_endpoints
      WHERE due_at <= clock_timestamp() AND state = 'active'
        AND coalesce(slow_until > clock_timestamp(), false) = :slow
        AND (leased_until IS NULL OR leased_until < clock_timestamp())
      ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING id
""")
FORGOTTEN = text("""
    DELETE FROM webhook_deliveries WHERE (endpoint_id, seq) IN (
      SELECT d.endpoint_id, d.seq FROM event_heads h JOIN webhook_deliveries d ON d.tenant_id = h.tenant_id
      WHERE d.seq <= h.pruned LIMIT :most
    )
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is to be sent; `delivery`: its row, where it has one."""

    event: Row[Any]
    delivery: WebhookDelivery | None


async def wake(session: AsyncSession, tenants: Collection[str]) -> None:
    """Have the endpoints of these tenants looked at, for there are new events."""
    await session.execute(WAKE, {"tenants": list(tenants)})


class WebhookRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def endpoint(self, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint | None:
        query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
        found: WebhookEndpoint | None = await self.session.scalar(query.with_for_update() if lock else query)
        return found

    async def endpoints(self, tenant: str, *, after: UUID | None, limit: int) -> tuple[Sequence[WebhookEndpoint], int]:
        """In the order in which they were made; and how many there are."""
        own = WebhookEndpoint.tenant_id == tenant
        query = select(WebhookEndpoint).where(own).order_by(WebhookEndpoint.id).limit(limit)
        if after is not None:
            query = query.where(WebhookEndpoint.id > after)
        counted = (await self.session.scalars(select(func.count()).select_from(WebhookEndpoint).where(own))).one()
        return (await self.session.scalars(query)).all(), counted

    async def all_of(self, tenant: str) -> Sequence[WebhookEndpoint]:
        """Locked."""
        query = select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant).order_by(WebhookEndpoint.id)
        return (await self.session.scalars(query.with_for_update())).all()

    async def claim(self, lease: UUID, lasts: float, *, slow: bool, most: int) -> Sequence[UUID]:
        """Endpoints that are due, of those that count as slow or of the others, this worker's alone for `lasts`."""
        asked = {"lease": lease, "lasts": timedelta(seconds=lasts), "slow": slow, "most": most}
        return (await self.session.scalars(CLAIM, asked)).all()

    async def waiting(self, endpoint: WebhookEndpoint, *, most: int) -> list[Waiting]:
        """What has a row and is not delivered, in the order of events. What was forgotten meanwhile is left out."""
        joined = (OutboxEvent.tenant_id == WebhookDelivery.tenant_id) & (OutboxEvent.seq == WebhookDelivery.seq)
        query = (
            select(WebhookDelivery, *COLUMNS)
            .join(OutboxEvent, joined)
            .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "waiting")
            .order_by(WebhookDelivery.seq)
            .limit(most)
        )
        return [Waiting(row, row[0]) for row in await self.session.execute(query)]

    async def new(self, endpoint: WebhookEndpoint, *, most: int) -> tuple[list[Waiting], int]:
        """Events after the endpoint's position that it wants; and up to where none is left out by that."""
        head = await head_of(self.session, endpoint.tenant_id)
        matching = [
            OutboxEvent.tenant_id == endpoint.tenant_id,
            OutboxEvent.seq > endpoint.position,
            OutboxEvent.seq <= head.seq,
            # Sent again since an earlier time: what waits all the while comes once.
            ~_of(endpoint).where(WebhookDelivery.seq == OutboxEvent.seq, WebhookDelivery.state == "waiting").exists(),
        ]
        if endpoint.types is not None:
            matching.append(of_types(endpoint.types))
        query = select(*COLUMNS).where(*matching).order_by(OutboxEvent.seq).limit(most)
        events = (await self.session.execute(query)).all()
        return [Waiting(one, None) for one in events], events[-1].seq if len(events) == most else head.seq

    async def file(self, rows: Sequence[dict[str, Any]]) -> None:
        """Deliveries as they are now, whether they had a row before or not."""
        if not rows:
            return
        filed = insert(WebhookDelivery).values(rows)
        kept = ("endpoint_id", "seq", "id", "tenant_id", "event_id", "kind")
        set_ = {name: filed.excluded[name] for name in rows[0] if name not in kept}
        await self.session.execute(filed.on_conflict_do_update(index_elements=["endpoint_id", "seq"], set_=set_))

    async def next_at(self, endpoint: WebhookEndpoint) -> datetime | None:
        """When the next of those that wait is tried again."""
        waits = WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "waiting"
        found: datetime | None = await self.session.scalar(select(func.min(WebhookDelivery.next_at)).where(*waits))
        return found

    async def deliveries(
        self, endpoint_id: UUID, state: str | None, *, before: int | None, limit: int
    ) -> tuple[Sequence[WebhookDelivery], int]:
        """Newest events first; and how many there are, counted as listings are."""
        matching: list[ColumnElement[bool]] = [WebhookDelivery.endpoint_id == endpoint_id]
        if state is not None:
            matching.append(WebhookDelivery.state == state)
        counted = await count_up(self.session, select(WebhookDelivery.seq).where(*matching))
        query = select(WebhookDelivery).where(*matching).order_by(WebhookDelivery.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(WebhookDelivery.seq < before)
        return (await self.session.scalars(query)).all(), counted

    async def delivery(self, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery | None:
        query = select(WebhookDelivery).where(
            WebhookDelivery.id == delivery_id, WebhookDelivery.endpoint_id == endpoint_id
        )
        found: WebhookDelivery | None = await self.session.scalar(query.with_for_update())
        return found

    async def since(self, endpoint: WebhookEndpoint, moment: datetime) -> tuple[int | None, int]:
        """The first event from a time on that the endpoint wants; and how many there are, counted as listings are."""
        matching = [
            OutboxEvent.tenant_id == endpoint.tenant_id,
            OutboxEvent.seq.is_not(None),
            OutboxEvent.at >= moment,
        ]
        if endpoint.types is not None:
            matching.append(of_types(endpoint.types))
        among = select(OutboxEvent.seq).where(*matching).order_by(OutboxEvent.seq).limit(COUNTED + 1).subquery()
        first, counted = (await self.session.execute(select(func.min(among.c.seq), func.count()))).one()
        return first, counted

    async def anew(self, endpoint: WebhookEndpoint) -> None:
        """What waits is tried at once, and for three days from now."""
        await self.session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == "waiting")
            .values(attempts=0, first_at=None, next_at=None)
        )

    async def failing(self) -> int:
        fails = WebhookEndpoint.state == "active", WebhookEndpoint.retry_at.is_not(None)
        return (await self.session.scalars(select(func.count()).select_from(WebhookEndpoint).where(*fails))).one()


def _of(endpoint: WebhookEndpoint) -> Any:
    return select(WebhookDelivery.seq).where(WebhookDelivery.endpoint_id == endpoint.id)
