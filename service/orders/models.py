"""Orders of many numbers, and what becomes of each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, FetchedValue, ForeignKey, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)
Json = JSONB(none_as_null=True)


class Order(Base):
    """`tenant_id`: None is an administrator's. `change`, `selection`: as they were asked for. `digest`: of exactly what
    was shown. `preview`: the answer that showed it. `to_do`: items that were shown to be changed. `organization_ids`,
    `user_ids`: whose numbers it touches. `undoes`: the order whose inverse it is. `counts`: items by outcome, at
    the end. `content`: of an import the SHA-256 of what was sent.
    """

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    change: Mapped[dict[str, Any]] = mapped_column(Json)
    selection: Mapped[dict[str, Any]] = mapped_column(Json)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    preview: Mapped[dict[str, Any]] = mapped_column(Json)
    counts: Mapped[dict[str, int] | None] = mapped_column(Json)
    to_do: Mapped[int] = mapped_column(Integer)
    organization_ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    user_ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    undoes: Mapped[UUID | None] = mapped_column(ForeignKey("orders.id"))
    request_id: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    expires_at: Mapped[datetime] = mapped_column(Moment)
    applied_at: Mapped[datetime | None] = mapped_column(Moment)
    cancelled_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class OrderItem(Base):
    """`shown`: how the number stood when it was previewed; `wanted`: what it is to become, None where it is given back.
    Of an import `number_id` is None until it is done, and `tenant_id` and `account_id` where a row names none.

    `reason`: a stable word for why it did not come to `done`; `detail` says it to people.
    """

    __tablename__ = "order_items"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(Text)
    account_id: Mapped[UUID | None]
    number_id: Mapped[UUID | None]
    phone_number: Mapped[str | None] = mapped_column(Text)
    shown: Mapped[dict[str, Any] | None] = mapped_column(Json)
    wanted: Mapped[dict[str, Any] | None] = mapped_column(Json)
    outcome: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    step_id: Mapped[UUID | None]
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
