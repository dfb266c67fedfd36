"""The supplier's invoices as tables: files, their lines, what could not be read of them, and remembered mappings."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, FetchedValue, ForeignKey, Identity, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class Invoice(Base):
    """A file of a supplier. `month`: that it is for. `read_through`: the last row that was read, of `size_read` bytes.
    `micros`: the sum of its lines so far. `problem`: why it cannot be read on.
    """

    __tablename__ = "invoices"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    account_id: Mapped[UUID]
    supplier: Mapped[str] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(Text)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    profile: Mapped[str | None] = mapped_column(Text)
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    currency: Mapped[str | None] = mapped_column(Text)
    month: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    size_read: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    read_through: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    lines: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    rejected: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    micros: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    problem: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    created_by: Mapped[str] = mapped_column(Text)


class InvoicePart(Base):
    """A part of the file, kept until it is read."""

    __tablename__ = "invoice_parts"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    place: Mapped[int] = mapped_column(Integer, primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class InvoiceLine(Base):
    """A charge by the supplier. `place`: its row in the file, from 1. `ends`: the day after its last."""

    __tablename__ = "invoice_lines"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    line_ref: Mapped[str | None] = mapped_column(Text)
    subscription_id: Mapped[str | None] = mapped_column(Text)
    phone_number: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    begins: Mapped[date | None] = mapped_column(Date)
    ends: Mapped[date | None] = mapped_column(Date)
    quantity: Mapped[int | None] = mapped_column(BigInteger)
    micros: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)


class InvoiceReject(Base):
    """A row that could not be read, kept aside until somebody decides. `line`: of the file, on which it begins."""

    __tablename__ = "invoice_rejects"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger)
    cells: Mapped[dict[str, str]] = mapped_column(JSONB)
    text: Mapped[str] = mapped_column(Text)
    faults: Mapped[list[dict[str, str]]] = mapped_column(JSONB)
    decision: Mapped[str | None] = mapped_column(Text)
    mended: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    decided_by: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)


class InvoiceProfile(Base):
    """A mapping that is remembered by name."""

    __tablename__ = "invoice_profiles"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    created_by: Mapped[str] = mapped_column(Text)
