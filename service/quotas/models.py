"""What a tenant may hold, holds, and has reserved."""

from sqlalchemy import BigInteger, FetchedValue, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class TenantQuota(Base):
    """`numbers_held` is the limit, null for none; `reserved` counts purchases whose outcome is not decided."""

    __tablename__ = "tenant_quotas"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    numbers_held: Mapped[int | None] = mapped_column(BigInteger)
    used: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    reserved: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
