"""The price book's table."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, FetchedValue, Identity, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class PriceRow(Base):
    """A version of the price book. None of organisation, type and area is for all. Micro-units of `currency`."""

    __tablename__ = "price_versions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    organization_id: Mapped[str | None] = mapped_column(Text)
    number_type: Mapped[str | None] = mapped_column(Text)
    area_code: Mapped[str | None] = mapped_column(Text)
    since: Mapped[date] = mapped_column(Date)
    setup: Mapped[int] = mapped_column(BigInteger)
    monthly: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    created_by: Mapped[str] = mapped_column(Text)
