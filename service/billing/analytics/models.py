"""What Teli counts of months that are final."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, FetchedValue, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class PeriodAnalytics(Base):
    """Of an organisation in a final month. `users`: how many were compared. `differences`: those that differ."""

    __tablename__ = "period_analytics"

    month: Mapped[date] = mapped_column(Date, ForeignKey("billing_periods.month"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    users: Mapped[int | None] = mapped_column(BigInteger)
    differences: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default=FetchedValue())
