"""Who may ask, for whom, with what: accounts, organisations, users, tenants, grants, keys and stops."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Double,
    FetchedValue,
    ForeignKey,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base
from service.tenants.policy import Policy

Moment = DateTime(timezone=True)


class Version(Base):
    """One row whose revision grows whenever keys, grants, policies, stops or account modes change.

    `server`: which one, on which timeline, the ledger was written on last; another is a restore, or a failover.
    """

    __tablename__ = "version"

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    server: Mapped[str | None] = mapped_column(Text)


class Account(Base):
    """One upstream credential, and what has been learned about it. `key_refused_at`: since when Teli refuses its key,
    as it said last to whichever process asked.
    """

    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    base_url: Mapped[str] = mapped_column(Text)
    teli_tenant_id: Mapped[str] = mapped_column(Text)
    mode: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    mode_changed_at: Mapped[datetime | None] = mapped_column(Moment)
    listed_at: Mapped[datetime | None] = mapped_column(Moment)
    key_refused_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class AccountKey(Base):
    """An account's Teli key, sealed for that account and the origin of its base URL. `key_id`: of the key it takes to
    open it; `hint`: the Teli key's last characters; `revision` grows with each Teli key.

    The deployment's own account has none here: its key is in the environment.
    """

    __tablename__ = "account_keys"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(Text)
    hint: Mapped[str] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    changed_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    changed_by: Mapped[str] = mapped_column(Text)


class Organization(Base):
    """`account_id`: the account that its numbers are bought through; None is that of whoever buys."""

    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    upstream_uuid: Mapped[str | None] = mapped_column(Text)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class User(Base):
    __tablename__ = "users"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    upstream_uuid: Mapped[str | None] = mapped_column(Text)
    exclusive: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class Tenant(Base):
    """With its policy: what is null there is the default. `write_off`: in seconds, infinity for never."""

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    tag: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    state: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    idempotency_required: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    agents_allowed: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    area_codes_allowed: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    orphan_reuse: Mapped[bool] = mapped_column(Boolean, server_default=FetchedValue())
    write_off: Mapped[float | None] = mapped_column(Double)
    drift: Mapped[str] = mapped_column(Text, server_default=FetchedValue())
    order_weight: Mapped[int] = mapped_column(SmallInteger, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())

    @property
    def policy(self) -> Policy:
        return Policy.of(self.agents_allowed, self.area_codes_allowed, orphan_reuse=self.orphan_reuse)


class Grant(Base):
    """A tenant may buy for, and hold numbers in, an organisation."""

    __tablename__ = "grants"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), primary_key=True)


class ApiKey(Base):
    """`hash` is keyed (HMAC-SHA256); `hint` is the key's last four characters; `sees` the organisations seen whole.

    `rotated_to` is the key that took its place. It is held to `organization_ids`, `user_ids` and `networks` (CIDR),
    where they are not null. `last_used_at` and `last_used_from` follow within seconds.
    """

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(Text)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    hint: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sees: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
    rotated_to: Mapped[UUID | None]
    organization_ids: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    user_ids: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    networks: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)
    last_used_from: Mapped[str | None] = mapped_column(Text)


class Stop(Base):
    """Purchases are stopped: everywhere (`global`), for a tenant, or for an account."""

    __tablename__ = "stops"

    scope: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class LoginSession(Base):
    """A person who logged in: `subject` at `issuer`. `groups` are those that had a role here at the time.

    `hash` is keyed (HMAC-SHA256) over the cookie's value.
    """

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    groups: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    expires_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class AnsweredLogin(Base):
    """A login whose answer came: another for it is refused. `hash` is keyed, over the `state` that it went out with;
    `expires_at` is when it would have ended unanswered.
    """

    __tablename__ = "answered_logins"

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(Moment)
