"""Campaigns as the ledger has them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, FetchedValue, ForeignKey, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class Campaign(Base):
    """Sent at most once; `attempt` grows where it was refused for certain and is asked for anew.

    `id` is the operation, `campaign_id` the caller's name for it. `fingerprint`: of the body. `invalid_leads`: those
    without a number. `begins`, `ends`: as the caller wrote them. `decision`: how the present state was come by.
    `answer`: {status, body}, as it was first given. `evidence`: what was last heard that decided. `progress`: Teli's.
    `absences`: looks in a row that did not find it, the first of them at `absent_since`.
    """

    __tablename__ = "campaigns"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID]
    organization_id: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str] = mapped_column(Text)
    campaign_id: Mapped[str] = mapped_column(Text)
    caller_id: Mapped[str] = mapped_column(Text)
    voice_agent_id: Mapped[str] = mapped_column(Text)
    leads: Mapped[int] = mapped_column(Integer)
    invalid_leads: Mapped[int] = mapped_column(Integer)
    begins: Mapped[str | None] = mapped_column(Text)
    ends: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    attempt: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    state: Mapped[str] = mapped_column(Text)
    decision: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text)
    warnings: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    lease_until: Mapped[datetime] = mapped_column(Moment)
    send_ended_at: Mapped[datetime | None] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    look_at: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime | None] = mapped_column(Moment)
    absences: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    absent_since: Mapped[datetime | None] = mapped_column(Moment)


class CampaignNumber(Base):
    """A number that a campaign calls from: its caller id, or one of its pool."""

    __tablename__ = "campaign_numbers"

    campaign: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    number_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
