"""Keys that callers chose, and the intent each names."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, FetchedValue, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class IdempotencyKey(Base):
    """The answer lives with the intent; a refused intent may be followed by another under the same key."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(Text, primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    intent_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
