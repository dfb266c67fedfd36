"""Rows at Teli that no intent of ours explains."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, FetchedValue, ForeignKey, Identity, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class ExistingNumber(Base):
    """A row the account held before Numbergate first bought through it."""

    __tablename__ = "existing_numbers"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    row_id: Mapped[str] = mapped_column(Text, primary_key=True)
    phone_number: Mapped[str] = mapped_column(Text)
    organization_id: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[str | None] = mapped_column(Text)
    nickname: Mapped[str | None] = mapped_column(Text)
    upstream_created_at: Mapped[str | None] = mapped_column(Text)
    first_seen_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    gone_at: Mapped[datetime | None] = mapped_column(Moment)


class Orphan(Base):
    """A number that appeared upstream and that no intent explains; `intent_id` names one it may have come from."""

    __tablename__ = "orphans"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    tenant_id: Mapped[str | None] = mapped_column(Text)
    organization_id: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[str | None] = mapped_column(Text)
    area_code: Mapped[str | None] = mapped_column(Text)
    phone_number: Mapped[str] = mapped_column(Text)
    row_id: Mapped[str | None] = mapped_column(Text)
    nickname: Mapped[str | None] = mapped_column(Text)
    intent_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class ListingTaken(Base):
    """One listing of a whole organisation, and whether it can be relied on."""

    __tablename__ = "listings"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    organization_id: Mapped[str] = mapped_column(Text)
    began_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    row_count: Mapped[int] = mapped_column(Integer)
    complete: Mapped[bool] = mapped_column(Boolean)
    trustworthy: Mapped[bool] = mapped_column(Boolean)


class UpstreamRow(Base):
    """A row as Teli last listed it; `gone_at`: when a complete listing no longer had it."""

    __tablename__ = "upstream_rows"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    row_id: Mapped[str] = mapped_column(Text, primary_key=True)
    organization_id: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str | None] = mapped_column(Text)
    phone_number: Mapped[str] = mapped_column(Text)
    nickname: Mapped[str | None] = mapped_column(Text)
    first_seen_at: Mapped[datetime] = mapped_column(Moment)
    gone_at: Mapped[datetime | None] = mapped_column(Moment)


class Look(Base):
    """Who looks at which organisation next, and until when nobody else may."""

    __tablename__ = "looks"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(Text, primary_key=True)
    looked_at: Mapped[datetime | None] = mapped_column(Moment)
    lease_until: Mapped[datetime | None] = mapped_column(Moment)


class DecidedOn(Base):
    """What a doubt was decided on, for operators, for thirty days. `payload`: as `service.reconciliation.grounds`."""

    __tablename__ = "decided_on"

    intent_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
