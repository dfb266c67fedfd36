"""Every change has an author, and the chain that shows whether the log was tampered with."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, DateTime, FetchedValue, Identity, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base


class AuditEntry(Base):
    """Appended only: the application roles can insert and read. `xid` is the transaction that wrote it."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    tenant_id: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    object_kind: Mapped[str] = mapped_column(Text)
    object_id: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    request_id: Mapped[str | None] = mapped_column(Text)
    xid: Mapped[int | None] = mapped_column(BigInteger, server_default=FetchedValue(), deferred=True)


class AuditLink(Base):
    """The place of an entry in the chain, without gaps from 1 on. Appended only, by the worker."""

    __tablename__ = "audit_chain"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    audit_id: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditProgress(Base):
    """How far the chain has come: see `service.audit.chaining`."""

    __tablename__ = "audit_progress"

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=FetchedValue())
    system_id: Mapped[int] = mapped_column(BigInteger)
    done: Mapped[str | None] = mapped_column(Text)
    doing: Mapped[str | None] = mapped_column(Text)
    at_xid: Mapped[int] = mapped_column(BigInteger)
    at_id: Mapped[int] = mapped_column(BigInteger)
