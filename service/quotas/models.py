"""What a tenant, a user, an organisation or the deployment may have, has, and has reserved."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, DateTime, Double, FetchedValue, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class Quota(Base):
    """The limits of one scope, null for none, and beside them the counters that they limit.

    Every tenant has one; of users, organisations and the deployment those that have a limit. `reserved` counts
    purchases whose outcome is not decided, `ordered` what orders have still to send, which `day_reserved` and
    `month_reserved` count too. `day` and `month` are the calendar periods, in `time_zone`, which `day_…`,
    `month_…` and `releases` count; null before anything was counted. `spend_per_month` is in micro-units. `arrival`:
    the theoretical arrival time of the next request (GCRA). `revision` grows with every change.
    """

    __tablename__ = "quotas"

    scope: Mapped[str] = mapped_column(Text, primary_key=True, server_default=FetchedValue())
    tenant_id: Mapped[str] = mapped_column(Text, primary_key=True, server_default=FetchedValue())
    organization_id: Mapped[str] = mapped_column(Text, primary_key=True, server_default=FetchedValue())
    user_id: Mapped[str] = mapped_column(Text, primary_key=True, server_default=FetchedValue())
    mode: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    time_zone: Mapped[str] = mapped_column(Text, server_default=FetchedValue())

    numbers_held: Mapped[int | None] = mapped_column(BigInteger)
    purchases_per_day: Mapped[int | None] = mapped_column(BigInteger)
    purchases_per_month: Mapped[int | None] = mapped_column(BigInteger)
    releases_per_month: Mapped[int | None] = mapped_column(BigInteger)
    spend_per_month: Mapped[int | None] = mapped_column(BigInteger)
    requests_per_second: Mapped[float | None] = mapped_column(Double)
    burst: Mapped[int | None] = mapped_column(BigInteger)
    concurrent_creates: Mapped[int | None] = mapped_column(BigInteger)
    doubts_open: Mapped[int | None] = mapped_column(BigInteger)

    used: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    reserved: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    ordered: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    day: Mapped[date | None] = mapped_column(Date)
    day_used: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    day_reserved: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    month: Mapped[date | None] = mapped_column(Date)
    month_used: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    month_reserved: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    releases: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    arrival: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())


class QuotaAlert(Base):
    """That a tenant was told of a limit that is nearly used up: once for each share of it, until it is not any more."""

    __tablename__ = "quota_alerts"

    tenant_id: Mapped[str] = mapped_column(Text, primary_key=True)
    limit_name: Mapped[str] = mapped_column(Text, primary_key=True)
    percent: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
