"""Orders of many numbers, and what becomes of each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Double, FetchedValue, ForeignKey, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)
Json = JSONB(none_as_null=True)


class Order(Base):
    """`tenant_id`: None is an administrator's. `change`, `selection`: as they were asked for. `digest`: of exactly what
    was shown. `preview`: the answer that showed it. `to_do`: items that were shown to be changed. `organization_ids`,
    `user_ids`: whose numbers it touches. `undoes`: the order whose inverse it is. `counts`: items by outcome, at
    the end. `content`: of an import the SHA-256 of what was sent. Of an order of new numbers `change` is what was asked
    for and `digest` its SHA-256; `deadline`: nothing is sent after it; `turned_at`: when an item was last claimed.
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
    deadline: Mapped[datetime | None] = mapped_column(Moment)
    turned_at: Mapped[datetime | None] = mapped_column(Moment)


class OrderItem(Base):
    """`shown`: how the number stood when it was previewed; `wanted`: what it is to become, None where it is given back.
    Of an import `number_id` is None until it is done, and `tenant_id` and `account_id` where a row names none.

    `reason`: a stable word for why it did not come to `done`; `detail` says it to people.

    Of an order of new numbers: `intent_id`, of the purchase that it is sent as, or was last; `tries`, how many were
    refused; `area_code`, the one last asked for; `sold_out`, those in which Teli had none for it. `counted_at`: when it
    counts in quotas, and while it waits it is reserved there. It waits until `due_at`, is held by a worker until
    `claimed_until`, and waits for its turn since `busy_since`.
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
    organization_id: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[str | None] = mapped_column(Text)
    intent_id: Mapped[UUID | None]
    area_code: Mapped[str | None] = mapped_column(Text)
    sold_out: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    tries: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    counted_at: Mapped[datetime | None] = mapped_column(Moment)
    due_at: Mapped[datetime | None] = mapped_column(Moment)
    claimed_until: Mapped[datetime | None] = mapped_column(Moment)
    busy_since: Mapped[datetime | None] = mapped_column(Moment)


class OrderShare(Base):
    """How far a tenant is with what it ordered of an account: its virtual time, as start-time fair queueing has it.

    `pass_`: where its next send starts; `started`: where its last one did. A tenant of twice the `weight` is sent for
    twice as often: its policy's, as it was at its last claim.
    """

    __tablename__ = "order_shares"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text, primary_key=True)
    weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    pass_: Mapped[float] = mapped_column("pass", Double, server_default=FetchedValue())
    started: Mapped[float] = mapped_column(Double, server_default=FetchedValue())


class SoldOut(Base):
    """That Teli had no number in an area code, and when it said so last to an order."""

    __tablename__ = "sold_out"

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    area_code: Mapped[str] = mapped_column(Text, primary_key=True)
    since: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
