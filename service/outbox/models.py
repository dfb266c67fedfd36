"""Events, written in the transaction of the change they tell of, and numbered after it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, FetchedValue, Identity, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class OutboxEvent(Base):
    """`seq`: its place among its tenant's events, in the order of commit; None until the worker has numbered it."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    tenant_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID | None]
    intent_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    event_id: Mapped[UUID | None]
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class EventHead(Base):
    """How far a tenant's events are numbered, and up to which they were forgotten."""

    __tablename__ = "event_heads"

    tenant_id: Mapped[str] = mapped_column(Text, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    pruned: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
