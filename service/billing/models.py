"""What finance works on: facts, prices, the supplier's rule, closed months and their charges."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, Date, DateTime, FetchedValue, Identity, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class Owned:
    """Whose it is, and what it is for."""

    tenant_id: Mapped[str] = mapped_column(Text)
    organization_id: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str] = mapped_column(Text)
    holder_user_id: Mapped[str | None] = mapped_column(Text)
    cost_center: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))


class NumberFact(Owned, Base):
    """What was known of a number from `recorded_at` on, of the time from `valid_at` on. The database adds one with
    every change of a number, and changes none. `ended_at`: when it was released, or was decided to be missing.
    """

    __tablename__ = "number_facts"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    number_id: Mapped[UUID]
    recorded_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    valid_at: Mapped[datetime] = mapped_column(Moment)
    number_type: Mapped[str | None] = mapped_column(Text)
    area_code: Mapped[str] = mapped_column(Text)
    acquired_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    price_setup: Mapped[int | None] = mapped_column(BigInteger)
    price_monthly: Mapped[int | None] = mapped_column(BigInteger)
    price_currency: Mapped[str | None] = mapped_column(Text)


class ChargingRuleRow(Base):
    """The rule of the months that are not closed: one row, or none where it is the default."""

    __tablename__ = "charging_rule"

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=FetchedValue())
    rule: Mapped[dict[str, Any]] = mapped_column(JSONB)


class BillingPeriod(Base):
    """A month that is final, and what it was made from. `hash`: of all of its charges. `doubts`: that were open."""

    __tablename__ = "billing_periods"

    month: Mapped[date] = mapped_column(Date, primary_key=True)
    rule: Mapped[dict[str, Any]] = mapped_column(JSONB)
    facts_through: Mapped[int] = mapped_column(BigInteger)
    prices_through: Mapped[int] = mapped_column(BigInteger)
    charges: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    closed_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    closed_by: Mapped[str] = mapped_column(Text)
    doubts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Charge(Owned, Base):
    """A line of a final month. `corrects`: the month before that it puts right; None is its own."""

    __tablename__ = "charges"

    month: Mapped[date] = mapped_column(Date, primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    corrects: Mapped[date | None] = mapped_column(Date)
    number_id: Mapped[UUID]
    phone_number: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    begins: Mapped[date] = mapped_column(Date)
    ends: Mapped[date] = mapped_column(Date)
    due: Mapped[date] = mapped_column(Date)
    micros: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    price_id: Mapped[UUID]
