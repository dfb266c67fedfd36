"""Provisioning of callers: organisations, users, tenants with their grants, and keys. Every change is audited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal, Self
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action, ObjectKind
from service.audit.entries import note
from service.db import Database, act_as
from service.idempotency.once import UNKEYED, Once
from service.kit.clock import rfc3339, utc_now
from service.kit.crypto import Secret
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.text import shown
from service.kit.types import new_id
from service.tenants.keys import key_hash, make_key
from service.tenants.models import Account, ApiKey, Grant, Organization, Tenant, User
from service.tenants.tags import make_tag
from service.tenants.upstreams import DEFAULT
from service.tenants.version import bump

TENANT_SCOPES = (
    "numbers:create",
    "numbers:read",
    "numbers:update",
    "numbers:release",
    "agents:link",
    "campaigns:read",
    "campaigns:write",
    "calls:read",
    "events:read",
    "webhooks:write",
    "inventory:org",
)
# Keys that act for no tenant, by kind, and what each may do.
STAFF_SCOPES = {
    "admin": ("admin:*", "numbers:read", "inventory:org", "operator:read"),
    "finance": ("billing:read", "billing:write"),
    "operator": ("operator:read", "operator:write", "numbers:read", "inventory:org"),
}
NOTHING: dict[str, Any] = {}
HELD = text("SELECT used FROM quotas WHERE scope = 'tenant' AND tenant_id = :id")
DISABLE_WEBHOOKS = text(
    "UPDATE webhook_endpoints SET state = 'disabled', disabled_because = 'tenant_closed', due_at = NULL"
    " WHERE tenant_id = :id AND state = 'active' RETURNING id"
)
# Who puts the same thing waits, and finds it there.
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:named, 0))")
TenantState = Literal["active", "suspended", "closed"]
KEY_SCOPES = (*TENANT_SCOPES, "billing:read", "billing:write", "operator:read", "operator:write", "admin:*")


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, for the audit log; and whether it was asked for before."""

    actor: str
    request_id: str | None = None
    once: Once = UNKEYED


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key is held to beside its scopes; None is no limit. `networks` in CIDR notation."""

    organization_ids: tuple[str, ...] | None = None
    user_ids: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        return {"organization_ids": self.organization_ids, "user_ids": self.user_ids, "networks": self.networks}


UNLIMITED = KeyLimits()


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """`key` is shown this once and kept nowhere: it is empty where the request was answered before."""

    id: UUID
    key: str
    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    limits: KeyLimits = UNLIMITED

    def as_json(self) -> dict[str, Any]:
        rights = {"name": self.name, "scopes": self.scopes, "expires_at": self.expires_at}
        return {"id": self.id, **rights, **self.limits.as_json()}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        ends = stored["expires_at"]
        expires_at = None if ends is None else datetime.fromisoformat(ends)
        # Answers that were stored before there were limits name none.
        limits = KeyLimits(*(_ids(stored.get(name)) for name in UNLIMITED.as_json()))
        return cls(UUID(stored["id"]), "", stored["name"], tuple(stored["scopes"]), expires_at, limits)


def _ids(stored: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if stored is None else tuple(stored)


class Administration:
    def __init__(self, database: Database, secret: Secret, *, key_environment: str) -> None:
        self._database = database
        self._secret = secret
        self._key_environment = key_environment

    async def put_organization(
        self, author: Author, organization_id: str, name: str | None = None, further: dict[str, Any] = NOTHING
    ) -> dict[str, Any]:
        """Create, or rename where a name is given. With `account_id` in `further` it is bought for through that account
        from now on, with None through its tenants' own; with `name` None it has none. Returns the organisation, and
        whether it was created.

        Raises: InvalidRequest where there is no such account.
        """
        changes: dict[str, Any] = {**({} if name is None else {"name": name}), **further}
        async with self._database.acting(duty="admin") as session:
            if (account_id := changes.get("account_id")) is not None:
                faults = await unknown_account(session, account_id)
                if faults:
                    raise InvalidRequest(*faults)
            await session.execute(ONE_AT_A_TIME, {"named": f"organization {organization_id}"})
            before = await session.get(Organization, organization_id)
            was = {column: _plain(getattr(before, column)) for column in changes} if before else None
            put = insert(Organization).values(id=organization_id, **changes)
            put = put.on_conflict_do_update(index_elements=["id"], set_=changes or {"id": put.excluded.id})
            row = (await session.execute(put.returning(Organization.name, Organization.account_id))).one()
            becomes = {column: _plain(value) for column, value in changes.items()}
            self._note(session, author, "organization.put", ("organization", organization_id), was, becomes)
            await bump(session)
        return {"id": organization_id, "name": row.name, "account_id": row.account_id, "created": before is None}

    async def put_user(
        self, author: Author, organization_id: str, user_id: str, changes: dict[str, Any]
    ) -> dict[str, Any]:
        """Create or change `name`, `email`, `exclusive`; what is absent stays as it is.

        Of a user that is exclusive no more, a doubt gives up its lane when the worker looks at it next.

        Raises: NotFound where there is no such organisation.
        """
        async with self._database.acting(duty="admin") as session:
            if await session.get(Organization, organization_id) is None:
                raise NotFound("There is no such organisation; put it first.")
            await session.execute(ONE_AT_A_TIME, {"named": f"user {organization_id} {user_id}"})
            user = await session.get(User, (organization_id, user_id))
            was = {name: getattr(user, name) for name in changes} if user else None
            await session.execute(
                insert(User)
                .values(organization_id=organization_id, id=user_id, **changes)
                .on_conflict_do_update(index_elements=["organization_id", "id"], set_=changes)
                if changes
                else insert(User).values(organization_id=organization_id, id=user_id).on_conflict_do_nothing()
            )
            self._note(session, author, "user.put", ("user", f"{organization_id}/{user_id}"), was, changes)
            await bump(session)
            row = (
                await session.execute(
                    select(User.name, User.email, User.exclusive).where(
                        User.organization_id == organization_id, User.id == user_id
                    )
                )
            ).one()
        return {
            "id": user_id,
            "organization_id": organization_id,
            "name": row.name,
            "email": row.email,
            "exclusive": row.exclusive,
            "created": user is None,
        }

    async def put_tenant(
        self,
        author: Author,
        tenant_id: str,
        name: str | None = None,
        organization_ids: Sequence[str] | None = None,
        state: TenantState | None = None,
        account_id: UUID | None = None,
        confirm_numbers_held: int | None = None,
    ) -> dict[str, Any]:
        """Create or change a tenant and, where given, exactly the organisations it may buy for, and the account that it
        buys through from now on. What it holds stays with the account that bought it.

        Raises: NotFound where there is no such tenant and no name for a new one: the id was mistyped; InvalidRequest
            for an unknown organisation or account, or before there is any account; StateConflict for a tenant that was
            closed, and to close one that holds numbers without saying how many.
        """
        async with self._database.acting(duty="admin") as session:
            await session.execute(ONE_AT_A_TIME, {"named": f"tenant {tenant_id}"})
            # Locked, for what closes it meanwhile closes it for good.
            tenant = await session.get(Tenant, tenant_id, with_for_update=True)
            held = await self._granted(session, tenant_id)
            wanted = held if organization_ids is None else sorted(set(organization_ids))
            faults = await self._unfit_organizations(session, wanted)
            if account_id is not None:
                faults += await unknown_account(session, account_id)
            if faults:
                raise InvalidRequest(*faults)
            was = _seen(tenant, held) if tenant else None
            if tenant is None:
                if name is None:
                    raise NotFound("There is no such tenant; to make one, give it a name.")
                tenant = await self._make_tenant(session, tenant_id, name)
            elif tenant.state == "closed" and state != "closed":
                raise StateConflict("This tenant was closed, and stays so. Put another one.", state="closed")
            numbers = (await session.execute(HELD, {"id": tenant_id})).scalar_one()
            closes = state == "closed" != tenant.state
            if closes and numbers not in (0, confirm_numbers_held):
                raise StateConflict(
                    "Closing is for good, and this tenant holds numbers: they stay and are billed on, with no key left"
                    f" to release them. To close it so, send how many there are, confirm_numbers_held: {numbers}.",
                    numbers_held=numbers,
                )
            tenant.name = name or tenant.name
            tenant.state = state or tenant.state
            tenant.account_id = account_id or tenant.account_id
            await session.execute(
                delete(Grant).where(Grant.tenant_id == tenant_id, Grant.organization_id.not_in(wanted))
            )
            for organization_id in wanted:
                await session.execute(
                    insert(Grant).values(tenant_id=tenant_id, organization_id=organization_id).on_conflict_do_nothing()
                )
            becomes = _seen(tenant, wanted)
            self._note(session, author, "tenant.put", ("tenant", tenant_id), was, becomes)
            await bump(session)
            if closes:
                await self._disable_webhooks(session, author, tenant_id)
        return {"id": tenant_id, **becomes, "numbers_held": numbers, "created": was is None}

    async def _disable_webhooks(self, session: AsyncSession, author: Author, tenant_id: str) -> None:
        """No key is left that could. Stands last in its transaction, which is the tenant's from here on."""
        await session.flush()
        await act_as(session, tenant=tenant_id, duty="admin", sees=())
        for endpoint_id in await session.scalars(DISABLE_WEBHOOKS, {"id": tenant_id}):
            was, becomes = {"state": "active"}, {"state": "disabled", "because": "tenant_closed"}
            self._note(session, author, "webhook.disabled", ("webhook", str(endpoint_id)), was, becomes, tenant_id)

    async def issue_key(
        self,
        author: Author,
        tenant_id: str,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: datetime | None = None,
        limits: KeyLimits = UNLIMITED,
    ) -> IssuedKey:
        """A new key of a tenant. With `inventory:org` it sees the organisations granted now as a whole.

        Raises: IdempotencyKeyReused; NotFound where there is no such tenant; StateConflict for one that was closed;
            InvalidRequest for limits to what the tenant is not granted, or to users that are filed in none of these
            organisations.
        """
        async with self._database.acting(duty="admin") as session:
            if (named := await author.once.before(session)) is not None:
                return IssuedKey.of(named.answer)
            if (tenant := await session.get(Tenant, tenant_id)) is None:
                raise NotFound("There is no such tenant; put it first.")
            _check_open(tenant)
            granted = await self._granted(session, tenant_id)
            await self._check_limits(session, limits, granted)
            issued = self._add_key(
                session,
                kind="service",
                tenant_id=tenant_id,
                name=name,
                scopes=scopes,
                sees=granted if "inventory:org" in scopes else [],
                expires_at=expires_at,
                limits=limits,
            )
            limited = {name: ids for name, ids in limits.as_json().items() if ids is not None}
            told = {"name": name, "scopes": list(scopes), "tenant_id": tenant_id, **limited}
            self._note(session, author, "key.issued", ("key", str(issued.id)), None, told, tenant_id)
            await author.once.keep(session, answer=issued.as_json())
            await bump(session)
        return issued

    async def issue_staff_key(
        self,
        author: Author,
        kind: Literal["admin", "finance", "operator"],
        name: str,
        networks: tuple[str, ...] | None = None,
    ) -> IssuedKey:
        """A new key of an administrator, of finance or of an operator: it acts for no tenant and sees all of them.

        `networks`: in CIDR notation, that it may be used from.
        """
        async with self._database.acting(duty="admin") as session:
            scopes = STAFF_SCOPES[kind]
            issued = self._add_key(
                session,
                kind=kind,
                tenant_id=None,
                name=name,
                scopes=scopes,
                sees=["*"],
                expires_at=None,
                limits=KeyLimits(networks=networks),
            )
            told = {"name": name, "scopes": list(scopes), "kind": kind} | ({"networks": networks} if networks else {})
            self._note(session, author, "key.issued", ("key", str(issued.id)), None, told)
            await bump(session)
        return issued

    async def revoke_key(self, author: Author, key_id: UUID) -> None:
        """In force on every replica within a second. Revoking again changes nothing.

        Raises: NotFound.
        """
        async with self._database.acting(duty="admin") as session:
            key = await session.get(ApiKey, key_id)
            if key is None:
                raise NotFound
            if key.revoked_at is None:
                key.revoked_at = utc_now()
                was, becomes = {"revoked_at": None}, {"revoked_at": rfc3339(key.revoked_at)}
                self._note(session, author, "key.revoked", ("key", str(key_id)), was, becomes, key.tenant_id)
                await bump(session)

    async def rotate_key(self, author: Author, key_id: UUID, *, overlap: float) -> IssuedKey:
        """A new key with the old one's rights; the old one ends after `overlap` seconds.

        Raises: IdempotencyKeyReused; NotFound, also for a key that was revoked; StateConflict for one that was rotated
            before, whose end is no longer the one that it was given, for one of a tenant that was closed, and for one
            of staff, which would hand its rights to whoever rotates it.
        """
        async with self._database.acting(duty="admin") as session:
            if (named := await author.once.before(session)) is not None:
                return IssuedKey.of(named.answer)
            old = await session.get(ApiKey, key_id, with_for_update=True)
            if old is None or old.revoked_at is not None:
                raise NotFound
            if old.rotated_to is not None:
                raise StateConflict(
                    f"This key was rotated: {old.rotated_to} took its place. Rotate that one, or issue a new key.",
                    rotated_to=str(old.rotated_to),
                )
            if old.tenant_id is None:
                raise StateConflict(
                    f"This is {old.kind}'s key, and no tenant's: issue another where the API runs, by"
                    f" `numbergate keys create-{old.kind}`, and revoke this one."
                )
            _check_open(await session.get_one(Tenant, old.tenant_id))
            issued = self._add_key(
                session,
                kind=old.kind,
                tenant_id=old.tenant_id,
                name=old.name,
                scopes=old.scopes,
                sees=old.sees,
                expires_at=old.expires_at,
                limits=KeyLimits(_ids(old.organization_ids), _ids(old.user_ids), _ids(old.networks)),
            )
            was = {"expires_at": old.expires_at and rfc3339(old.expires_at), "successor": None}
            old.rotated_to = issued.id
            ends = utc_now() + timedelta(seconds=overlap)
            old.expires_at = min(old.expires_at or ends, ends)
            becomes = {"expires_at": rfc3339(old.expires_at), "successor": str(issued.id)}
            self._note(session, author, "key.rotated", ("key", str(key_id)), was, becomes, old.tenant_id)
            await author.once.keep(session, answer=issued.as_json())
            await bump(session)
        return issued

    def _add_key(
        self,
        session: AsyncSession,
        *,
        kind: str,
        tenant_id: str | None,
        name: str,
        scopes: Sequence[str],
        sees: list[str],
        expires_at: datetime | None,
        limits: KeyLimits = UNLIMITED,
    ) -> IssuedKey:
        issued = IssuedKey(new_id(), make_key(self._key_environment), name, tuple(scopes), expires_at, limits)
        session.add(
            ApiKey(
                id=issued.id,
                kind=kind,
                tenant_id=tenant_id,
                name=name,
                hash=key_hash(self._secret, issued.key),
                hint=issued.key[-4:],
                scopes=list(scopes),
                sees=sees,
                expires_at=expires_at,
                **limits.as_json(),
            )
        )
        return issued

    async def _check_limits(self, session: AsyncSession, limits: KeyLimits, granted: Sequence[str]) -> None:
        """Raises: InvalidRequest, naming each that a key of a tenant with these grants cannot be limited to."""
        organizations = limits.organization_ids or ()
        faults = [
            Fault(f"/organization_ids/{place}", f"{shown(one)} is not granted to this tenant; grant it first")
            for place, one in enumerate(organizations)
            if one not in granted
        ]
        users = limits.user_ids or ()
        filed = set(
            await session.scalars(
                select(User.id).where(User.id.in_(users), User.organization_id.in_(organizations or granted))
            )
        )
        faults += [
            Fault(f"/user_ids/{place}", f"{shown(one)} is no user of the key's organisations; put it first")
            for place, one in enumerate(users)
            if one not in filed
        ]
        if faults:
            raise InvalidRequest(*faults)

    async def _unfit_organizations(self, session: AsyncSession, wanted: Sequence[str]) -> list[Fault]:
        """What is no organisation. One tenant is not granted another, nor itself."""
        known = set(await session.scalars(select(Organization.id).where(Organization.id.in_(wanted))))
        unknown = [one for one in wanted if one not in known]
        tenants = set(await session.scalars(select(Tenant.id).where(Tenant.id.in_(unknown))))
        why = dict.fromkeys(tenants, "is a tenant: grants name organisations")
        return [
            Fault("/organization_ids", f"{one[:64]} {why.get(one, 'is not an organisation; put it first')}")
            for one in unknown
        ]

    async def _granted(self, session: AsyncSession, tenant_id: str) -> list[str]:
        found = await session.scalars(
            select(Grant.organization_id).where(Grant.tenant_id == tenant_id).order_by(Grant.organization_id)
        )
        return list(found)

    async def _make_tenant(self, session: AsyncSession, tenant_id: str, name: str) -> Tenant:
        account_id = (await session.scalars(select(Account.id).where(Account.name == DEFAULT))).one_or_none()
        if account_id is None:
            raise InvalidRequest(Fault("", "there is no upstream account yet; start the worker first"))
        for attempt in count():
            tag = make_tag(self._secret, tenant_id, attempt)
            if (await session.scalars(select(Tenant.id).where(Tenant.tag == tag))).one_or_none() is None:
                break
        tenant = Tenant(id=tenant_id, name=name, tag=tag, account_id=account_id, state="active")
        session.add(tenant)
        await session.flush()
        await session.execute(text("INSERT INTO quotas (tenant_id) VALUES (:id)"), {"id": tenant_id})
        return tenant

    def _note(
        self,
        session: AsyncSession,
        author: Author,
        action: Action,
        of: tuple[ObjectKind, str],
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        of_tenant: str | None = None,
    ) -> None:
        tenant = of[1] if of[0] == "tenant" else of_tenant
        note(
            session, actor=author.actor, action=action, of=of, tenant=tenant, before=before, after=after,
            request_id=author.request_id,
        )  # fmt: skip


async def unknown_account(session: AsyncSession, account_id: UUID) -> list[Fault]:
    """The fault of a body that names an account which is none."""
    if await session.get(Account, account_id) is not None:
        return []
    return [Fault("/account_id", "is not an upstream account; create it first")]


def _seen(tenant: Tenant, organization_ids: Sequence[str]) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "organization_ids": list(organization_ids),
        "state": tenant.state,
        "account_id": str(tenant.account_id),
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value


def _check_open(tenant: Tenant) -> None:
    """Raises: StateConflict: a key of a tenant that was closed would open nothing."""
    if tenant.state == "closed":
        raise StateConflict("This tenant was closed, for good: no key of it opens anything.", state="closed")
