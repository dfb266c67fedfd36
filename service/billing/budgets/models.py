"""Budgets, and what of them was reached."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, FetchedValue, Identity, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class Budget(Base):
    """What a month may cost, in micro-units of `currency`, of an organisation, tenant and cost centre; None is of all.

    `period`, `so_far` and `forecast` as they were reckoned at `reckoned_at`; None: it is to be reckoned at once.
    `notify_tenant_id`: who is told by events.
    """

    __tablename__ = "budgets"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    organization_id: Mapped[str | None] = mapped_column(Text)
    tenant_id: Mapped[str | None] = mapped_column(Text)
    cost_center: Mapped[str | None] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    amount: Mapped[int] = mapped_column(BigInteger)
    notify_tenant_id: Mapped[str | None] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    period: Mapped[date | None] = mapped_column(Date)
    so_far: Mapped[int | None] = mapped_column(BigInteger)
    forecast: Mapped[int | None] = mapped_column(BigInteger)
    reckoned_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    created_by: Mapped[str] = mapped_column(Text)


class BudgetAlert(Base):
    """A threshold, in percent, that was reached in a month: by what is charged, or by what is to be expected. `micros`
    of `amount`, as it was then. `ended_at`: when a higher amount let it be reached anew.
    """

    __tablename__ = "budget_alerts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    budget_id: Mapped[UUID]
    period: Mapped[date] = mapped_column(Date)
    threshold: Mapped[int] = mapped_column(SmallInteger)
    measure: Mapped[str] = mapped_column(Text)
    micros: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
