"""What comes of matching an invoice, and what is disputed of it, as tables."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    FetchedValue,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class Possession(Base):
    """Over which time listings showed a row. `gone_at`: of the complete listing that lacked it; `last_shown_at`: of the
    one before. Both None while it is shown.
    """

    __tablename__ = "possession"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    row_id: Mapped[str] = mapped_column(Text, primary_key=True)
    shown_from: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    phone_number: Mapped[str] = mapped_column(Text)
    last_shown_at: Mapped[datetime | None] = mapped_column(Moment)
    gone_at: Mapped[datetime | None] = mapped_column(Moment)


class InvoiceMatch(Base):
    """That an invoice is to be matched, and what came of it last. `tolerance`: micro-units that are let pass. `basis`:
    the rule, and the last fact and price that counted. `summary`: by verdict.
    """

    __tablename__ = "invoice_matches"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    tolerance: Mapped[int] = mapped_column(BigInteger)
    asked_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    asked_by: Mapped[str] = mapped_column(Text)
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    basis: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    summary: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    problem: Mapped[str | None] = mapped_column(Text)


class MatchedLines(Base):
    """Lines of which there is no more to say than that they match: each is for one charge, of one price, as which it
    reads. Those of a thousand places, `part` being the place by a thousand; `micros`: their sum.
    """

    __tablename__ = "matched_lines"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    part: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    lines: Mapped[int] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)
    places: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    number_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    price_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))


class InvoiceFinding(Base):
    """What came of a line that is not among MatchedLines, or of a charge without one (`place` None). `begins`, `ends`:
    of the charge it is for.
    """

    __tablename__ = "invoice_findings"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    finding: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    place: Mapped[int | None] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(Text)
    begins: Mapped[date | None] = mapped_column(Date)
    ends: Mapped[date | None] = mapped_column(Date)
    price_ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid))
    expected_micros: Mapped[int] = mapped_column(BigInteger)
    charged_micros: Mapped[int] = mapped_column(BigInteger)
    difference_micros: Mapped[int] = mapped_column(BigInteger)
    other_place: Mapped[int | None] = mapped_column(BigInteger)
    other_invoice_id: Mapped[UUID | None]
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class Dispute(Base):
    """What is asked back of the supplier, of one invoice. `micros`: the sum of its lines."""

    __tablename__ = "disputes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    invoice_id: Mapped[UUID]
    account_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    lines: Mapped[int] = mapped_column(Integer)
    micros: Mapped[int] = mapped_column(BigInteger)
    credited_micros: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    created_by: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    changed_by: Mapped[str] = mapped_column(Text)


class DisputeLine(Base):
    """A finding as it was when it was disputed. `credited_micros`: what later invoices gave back of it."""

    __tablename__ = "dispute_lines"

    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    invoice_id: Mapped[UUID]
    finding: Mapped[int] = mapped_column(BigInteger)
    place: Mapped[int | None] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID | None]
    phone_number: Mapped[str | None] = mapped_column(Text)
    subscription_id: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    begins: Mapped[date | None] = mapped_column(Date)
    ends: Mapped[date | None] = mapped_column(Date)
    expected_micros: Mapped[int] = mapped_column(BigInteger)
    charged_micros: Mapped[int] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)
    credited_micros: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    evidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    open: Mapped[bool] = mapped_column(Boolean)


class DisputeNote(Base):
    __tablename__ = "dispute_notes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"))
    at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    by: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)


class DisputeAttachment(Base):
    __tablename__ = "dispute_attachments"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(ForeignKey("disputes.id"))
    at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    by: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class DisputeCredit(Base):
    """That a line of a later invoice gives back so much of a disputed one."""

    __tablename__ = "dispute_credits"

    invoice_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    micros: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
