"""Which agent answers a number, and which calls from it: as wanted, and as Teli confirmed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, FetchedValue, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class AgentLink(Base):
    __tablename__ = "agent_links"

    number_id: Mapped[UUID] = mapped_column(ForeignKey("numbers.id"), primary_key=True)
    direction: Mapped[str] = mapped_column(Text, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    desired: Mapped[str | None] = mapped_column(Text)
    confirmed: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
