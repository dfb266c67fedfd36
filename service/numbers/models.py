"""A number's life: the intent to buy it, the attempt and its evidence, the number, and the steps still owed to it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Double,
    FetchedValue,
    ForeignKey,
    FromClause,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base
from service.kit.money import Price

Moment = DateTime(timezone=True)


class SendSlot(Base):
    """One of the account's concurrent sends."""

    __tablename__ = "send_slots"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    intent_id: Mapped[UUID | None]
    held_until: Mapped[datetime | None] = mapped_column(Moment)


class AccountFlow(Base):
    """How Teli takes an account's purchases, where it does not take them well; no row is well.

    `rests_until`: nothing is bought until then, and until a read was answered after it; `opened`: how often in a row it
    was not. `at_a_time`: how much orders send at once, None for all they may. `orders_wait_until`: as Teli asked.
    """

    __tablename__ = "account_flow"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    rests_until: Mapped[datetime | None] = mapped_column(Moment)
    opened: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    at_a_time: Mapped[float | None] = mapped_column(Double)
    eased_at: Mapped[datetime | None] = mapped_column(Moment)
    orders_wait_until: Mapped[datetime | None] = mapped_column(Moment)


class QueuePlace(Base):
    """A request waiting for its lane, or for a slot (queue ''). Lapses when its replica stops renewing it."""

    __tablename__ = "send_queue"

    intent_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    queue: Mapped[str] = mapped_column(Text)
    place: Mapped[int] = mapped_column(BigInteger)
    replica: Mapped[UUID]
    alive_until: Mapped[datetime] = mapped_column(Moment)
    leaves_at: Mapped[datetime] = mapped_column(Moment)


class Intent(Base):
    """That one number is to be bought; buys at most once.

    `answer`: {status, headers, body}, as it was first given. `named_number`: what a doubtful answer named, where the
    account held that number already. `fingerprint`: of the body, where there is no key. `undelivered_at`: since when
    an equal request may take its answer over, for the one that asked for it did not get it. `order_id`, `order_seq`:
    the order's item that it buys for; then it counts in quotas at `counted_at`, else when it was admitted.
    """

    __tablename__ = "intents"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID]
    organization_id: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str] = mapped_column(Text)
    area_code: Mapped[str] = mapped_column(Text)
    wish: Mapped[dict[str, Any]] = mapped_column(JSONB)
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    mark: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    admitted_at: Mapped[datetime] = mapped_column(Moment)
    lease_until: Mapped[datetime] = mapped_column(Moment)
    send_ended_at: Mapped[datetime | None] = mapped_column(Moment)
    decided_at: Mapped[datetime | None] = mapped_column(Moment)
    decision: Mapped[str | None] = mapped_column(Text)
    slot: Mapped[int] = mapped_column(SmallInteger)
    holds_lane: Mapped[bool] = mapped_column(Boolean)
    number_id: Mapped[UUID | None]
    named_number: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    undelivered_at: Mapped[datetime | None] = mapped_column(Moment)
    order_id: Mapped[UUID | None]
    order_seq: Mapped[int | None] = mapped_column(Integer)
    counted_at: Mapped[datetime | None] = mapped_column(Moment)


class Attempt(Base):
    """The one upstream create of an intent."""

    __tablename__ = "attempts"

    intent_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    admitted_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class Evidence(Base):
    """What was heard of an attempt, and when; appended only, whoever brings it and however late."""

    __tablename__ = "evidence"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    intent_id: Mapped[UUID]
    tenant_id: Mapped[str] = mapped_column(Text)
    heard_at: Mapped[datetime] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(Text)
    status: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    body: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)


class Number(Base):
    """One acquisition; an adopted one has no intent.

    `marked`: the upstream nickname still carries our mark. `still_ours_at`: when a person said so of a ghost.
    `idle_since`: from when on no call of it is known, as far as calls were looked for; None where that is unknown.
    `price_…`: what it costs by itself, in micro-units, as whoever imported it said; all three or none.
    """

    __tablename__ = "numbers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID]
    organization_id: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str] = mapped_column(Text)
    holder_user_id: Mapped[str | None] = mapped_column(Text)
    phone_number: Mapped[str] = mapped_column(Text)
    pretty: Mapped[str] = mapped_column(Text)
    area_code: Mapped[str] = mapped_column(Text)
    number_type: Mapped[str | None] = mapped_column(Text)
    nickname: Mapped[str | None] = mapped_column(Text)
    cost_center: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    state: Mapped[str] = mapped_column(Text)
    intent_id: Mapped[UUID | None]
    mark: Mapped[str] = mapped_column(Text)
    marked: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    acquired_at: Mapped[datetime] = mapped_column(Moment)
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    upstream_row_id: Mapped[str | None] = mapped_column(Text)
    upstream_created_at: Mapped[str | None] = mapped_column(Text)
    subscription_id: Mapped[str | None] = mapped_column(Text)
    upstream_nickname: Mapped[str | None] = mapped_column(Text)
    released_at: Mapped[datetime | None] = mapped_column(Moment)
    still_ours_at: Mapped[datetime | None] = mapped_column(Moment)
    last_inbound_call_at: Mapped[datetime | None] = mapped_column(Moment)
    last_outbound_call_at: Mapped[datetime | None] = mapped_column(Moment)
    idle_since: Mapped[datetime | None] = mapped_column(Moment)
    price_setup: Mapped[int | None] = mapped_column(BigInteger)
    price_monthly: Mapped[int | None] = mapped_column(BigInteger)
    price_currency: Mapped[str | None] = mapped_column(Text)

    @property
    def price(self) -> Price | None:
        if self.price_setup is None or self.price_monthly is None or self.price_currency is None:
            return None
        return Price(self.price_setup, self.price_monthly, self.price_currency)


def idle_since_of(numbers: FromClause) -> ColumnElement[datetime]:
    """As the index has it: what is not known is idle at no time, and comes last."""
    return func.coalesce(numbers.c.idle_since, literal_column("'infinity'::timestamptz"))


class Step(Base):
    """Work still owed to a number at Teli; one of a number at a time. A push or release is an operation too.

    `sent_at`: when a release left whose outcome is not known. `answer`: {status, body} at the end, before it what one
    try tells the next. `actor`, `request_id`: who called for it. `given`: the members a push is about.
    `order_id`: of the order that it is one of many of. `reason`: why it was called for, where that was said.
    """

    __tablename__ = "steps"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID] = mapped_column(ForeignKey("numbers.id"))
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    due_at: Mapped[datetime] = mapped_column(Moment)
    lease_until: Mapped[datetime | None] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
    outcome: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    actor: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    given: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    order_id: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class Drift(Base):
    """What Teli lists of a number otherwise than is wanted of it, by `member`; a nickname with whatever mark it has.

    `since`: when the first listing that showed it was asked for, `seen_at` the last. `state`: suspected, after one
    listing; open; settled. `undecided`: why the policy did not decide it. `decision`: ours, theirs, gone.
    """

    __tablename__ = "drifts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number_id: Mapped[UUID] = mapped_column(ForeignKey("numbers.id"))
    tenant_id: Mapped[str] = mapped_column(Text)
    member: Mapped[str] = mapped_column(Text)
    ours: Mapped[str | None] = mapped_column(Text)
    theirs: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    undecided: Mapped[str | None] = mapped_column(Text)
    decision: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    settled_by: Mapped[str | None] = mapped_column(Text)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)
