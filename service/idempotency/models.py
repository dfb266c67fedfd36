"""Keys that callers chose, and what each names."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, FetchedValue, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class IdempotencyKey(Base):
    """Names one of three: an intent, whose answer lives with it, and which may follow a refused one under the same key;
    a step; or where there is no operation the `answer` itself, or rather what it is made of.

    `tenant_id`: whose key it is; of an administrator's or operator's `@` and the actor, for no tenant's id begins so.
    `scope`: `create`, or method and path. `expires_at`: null while its number is held, or nothing is decided; of a
    refused intent too, whose key lives for a while after the decision.
    """

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(Text, primary_key=True)
    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    intent_id: Mapped[UUID | None]
    step_id: Mapped[UUID | None]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
