"""Filters of the inventory that somebody keeps."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class SavedFilter(Base):
    """`tenant_id`: whose it is; of those who act for no tenant, an `@` and who. `organization_id`: with whom it is
    shared, None is with nobody. `filters`: by the names of the query's parameters.
    """

    __tablename__ = "saved_filters"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    organization_id: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sort: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
