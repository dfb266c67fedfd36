"""Whom a tenant has told of its events, and what became of each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, FetchedValue, Float, ForeignKey, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class WebhookEndpoint(Base):
    """`types`: None is all. `sealed`, `key_id`: its secret; `previous_…`: the one before, which signs too until then.

    `position`: up to which of its tenant's events each was delivered or has a row. `due_at`: when it is to be looked at
    again, None while there is nothing to send. `lease`, `leased_until`: the worker that has it. `failures`: since the
    last success; `failing_since`: the first of them; `retry_at`: set while nothing else is sent to it than one event to
    see whether it answers again. `slow_until`: it counts as one that lets us wait, as a new one does.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    types: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    state: Mapped[str] = mapped_column(Text)
    disabled_because: Mapped[str | None] = mapped_column(Text)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(Text)
    previous_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_key_id: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[datetime | None] = mapped_column(Moment)
    position: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime | None] = mapped_column(Moment)
    lease: Mapped[UUID | None]
    leased_until: Mapped[datetime | None] = mapped_column(Moment)
    failures: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    failing_since: Mapped[datetime | None] = mapped_column(Moment)
    retry_at: Mapped[datetime | None] = mapped_column(Moment)
    slow_until: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class WebhookDelivery(Base):
    """One event and one endpoint. `next_at`: of one that waits, when it is tried again; None is behind an earlier one.

    `status`, `error`, `seconds`: of the last attempt.
    """

    __tablename__ = "webhook_deliveries"

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[UUID]
    tenant_id: Mapped[str] = mapped_column(Text)
    event_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime | None] = mapped_column(Moment)
    tried_at: Mapped[datetime | None] = mapped_column(Moment)
    next_at: Mapped[datetime | None] = mapped_column(Moment)
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    seconds: Mapped[float | None] = mapped_column(Float)
