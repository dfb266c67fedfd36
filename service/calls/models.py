"""How far calls are read."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, FetchedValue, ForeignKey, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base

Moment = DateTime(timezone=True)


class CallRead(Base):
    """The calls of an organisation by one status, as an account lists them.

    From `judged_from` to `read_until` every call was read, save those that Teli files late. A window is read newest
    first: from `window_from` to `window_to`, of which what lies before `left_to` is still to be read; all three are
    None between two windows. `failures`: in a row.
    """

    __tablename__ = "call_reads"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(Text, primary_key=True)
    status: Mapped[str] = mapped_column(Text, primary_key=True)
    judged_from: Mapped[datetime | None] = mapped_column(Moment)
    read_until: Mapped[datetime | None] = mapped_column(Moment)
    window_from: Mapped[datetime | None] = mapped_column(Moment)
    window_to: Mapped[datetime | None] = mapped_column(Moment)
    left_to: Mapped[datetime | None] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    failures: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())


class BareCall(Base):
    """A call that was listed without its numbers; `user_id` in whichever form Teli gave. Once it was looked up it is
    kept only as long as it may be listed again.
    """

    __tablename__ = "bare_calls"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(Text)
    call_id: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    due_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    looked_up_at: Mapped[datetime | None] = mapped_column(Moment)


class CallPace(Base):
    """When the next request of a kind may be made with an account, whichever worker makes it."""

    __tablename__ = "call_paces"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    next_at: Mapped[datetime] = mapped_column(Moment)
