"""Who a request acts as, resolved once, from its API key, access token or session.

A principal is cached for seconds, and no longer than the version row stands still: revoking a key, changing a grant or
closing a tenant moves that row, and every replica looks at it twice a second. A replica that could not look for a
second trusts its cache no more.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from math import ceil
from typing import Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from sqlalchemy import Row, text

from service.db import UNBOUND, Bounds, Caller, Database
from service.kit.clock import utc_now
from service.kit.crypto import Secret
from service.kit.errors import ServiceError, StorageUnavailable
from service.kit.networks import Address, Network, read_network, within
from service.kit.types import OrganizationId, TenantId
from service.tenants.keys import ExpiredKey, InvalidKey, RevokedKey, Unauthenticated, check_form, key_hash
from service.tenants.policy import ANYTHING, Policy
from service.tenants.version import VersionWatch

Kind = Literal["service", "admin", "finance", "operator", "person"]
CACHE_SECONDS = 5.0
CACHE_SIZE = 10_000
REFUSED_SIZE = 1_000
# Of the pool's connections, those that look-ups of credentials take that were not good a moment ago.
STRANGERS_AT_ONCE = 4
# Seconds that a stranger waits for its turn, as whoever waits for a connection.
TURN_WITHIN = 5.0
WHO = text(
    "SELECT * FROM principal_for(:wanted) LEFT JOIN rate_for(:wanted) ON true LEFT JOIN limits_for(:wanted) ON true"
    " LEFT JOIN policy_for(:wanted) ON true LEFT JOIN teli_tenants_for(:wanted) ON true"
)
TENANT = text("SELECT * FROM tenant_named(:wanted)")


class ScopeMissing(ServiceError):
    """Who asks is known, and may not do this."""

    status, code, title = 403, "scope_missing", "Scope missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}, which the caller lacks.", scope=scope)


class NotYourOrganization(ServiceError):
    """The tenant has no grant for the organisation it named, or the key is limited to others."""

    status, code, title = 403, "not_your_organization", "Not your organisation"

    def __init__(self) -> None:
        super().__init__("This key's tenant has no grant for that organisation, or the key is limited to others.")


class NotYourUser(ServiceError):
    """The key is limited to users, and this is none of them."""

    status, code, title = 403, "not_your_user", "Not your user"

    def __init__(self) -> None:
        super().__init__("This key is limited to other users. Use one that is not, or ask an administrator for it.")


class NetworkNotAllowed(ServiceError):
    """The key is good, and limited to networks that the request does not come from."""

    status, code, title = 403, "network_not_allowed", "Network not allowed"

    def __init__(self, address: Address | None) -> None:
        whence = "an address that cannot be told" if address is None else str(address)
        super().__init__(
            f"This key is limited to other networks than that of {whence}. Use it from one of those, "
            "or ask an administrator for another key."
        )


class NotYourTenant(ServiceError):
    """`tenant_id` names somebody else, or the key acts for no tenant at all."""

    status, code, title = 403, "not_your_tenant", "Not your tenant"

    def __init__(self, detail: str = "tenant_id must be absent, your own, or your account's at Teli.") -> None:
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many requests a tenant may make: on the average in a second, and at once; none where `burst` is 0.

    `shadow`: what is beyond it is counted and reported, and let through.
    """

    per_second: float
    burst: int
    shadow: bool = False

    @classmethod
    def of(cls, per_second: float | None, burst: int | None, mode: str | None) -> Self | None:
        """Of limits as they are set; None where nothing is held to them."""
        if per_second is None or mode == "off":
            return None
        at_once = ceil(per_second) if burst is None or per_second == 0 else burst
        return cls(per_second, at_once, shadow=mode == "shadow")


@dataclass(frozen=True, slots=True)
class Principal:
    """`organization_ids`: granted to its tenant, and within its bounds. `sees`: seen whole, across tenants; ("*",) is
    all. `rate`: of all requests of its tenant together. `networks`: where it may be used from; None is anywhere.
    `teli_tenant_ids`: by which else it may be known at Teli, where organisations have accounts of their own.
    `subject`: whom an identity provider vouches for, after the issuer and a `|`; it has no `key_id`.
    """

    key_id: UUID | None
    kind: Kind
    tenant_id: TenantId | None
    tag: str | None
    account_id: UUID | None
    teli_tenant_id: str | None
    organization_ids: tuple[OrganizationId, ...]
    sees: tuple[str, ...]
    scopes: frozenset[str]
    idempotency_required: bool
    expires_at: datetime | None
    rate: Rate | None = None
    bounds: Bounds = UNBOUND
    networks: tuple[Network, ...] | None = None
    teli_tenant_ids: frozenset[str] = frozenset()
    subject: str | None = None
    roles: tuple[str, ...] = ()
    policy: Policy = ANYTHING
    suspended: bool = False

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        if self.subject is None:
            return f"key:{self.key_id}"
        return f"{'person' if self.kind == 'person' else 'token'}:{self.subject}"

    def may(self, scope: str) -> bool:
        return scope in self.scopes or f"{scope.split(':')[0]}:*" in self.scopes

    def need(self, scope: str) -> None:
        """Raises: ScopeMissing."""
        if not self.may(scope):
            raise ScopeMissing(scope)

    @property
    def lists_whole(self) -> tuple[str, ...]:
        """The organisations whose rows it may list across tenants; ("*",) is all."""
        return self.sees if self.may("inventory:org") else ()

    def sees_organization(self, organization: str) -> bool:
        return "*" in self.sees or organization in self.sees

    def check_organization(self, organization: str, *, whole: bool) -> None:
        """Of a listing of one organisation; with `whole` of all tenants.

        Raises: ScopeMissing; NotYourOrganization.
        """
        if whole:
            self.need("inventory:org")
        may_see = self.sees_organization(organization)
        if (whole and not may_see) or not (may_see or organization in self.organization_ids):
            raise NotYourOrganization

    def check_tenant_id(self, said: str | None) -> None:
        """Of what a body or query names as `tenant_id`, as existing clients do.

        Raises: NotYourTenant, also where the key belongs to no tenant.
        """
        if said not in (None, self.tenant, self.teli_tenant_id, *self.teli_tenant_ids):
            raise NotYourTenant

    def check_user(self, user: str) -> None:
        """Raises: NotYourUser."""
        if self.bounds.users is not None and user not in self.bounds.users:
            raise NotYourUser

    def check_network(self, address: Address | None) -> None:
        """Raises: NetworkNotAllowed."""
        if self.networks is not None and not (address and within(address, self.networks)):
            raise NetworkNotAllowed(address)

    @property
    def caller(self) -> Caller | None:
        """Whom the transactions of its requests are held to; None where it may act for all."""
        staff = any(scope.startswith(("admin:", "operator:")) for scope in self.scopes)
        return None if staff else Caller(self.tenant_id, self.sees)

    @property
    def tenant(self) -> TenantId:
        """Raises: NotYourTenant where the key belongs to no tenant, as an administrator's."""
        if self.tenant_id is None:
            raise NotYourTenant("This key acts for no tenant; use a tenant's own key.")
        return self.tenant_id


Refusal = Callable[[], Unauthenticated]
LookUp = Callable[[], Awaitable[Principal | Refusal]]
Found = TypeVar("Found")
NO_SUCH_KEY: Refusal = partial(InvalidKey, "There is no such key.")
NO_SUCH_TENANT: Refusal = partial(InvalidKey, "This token names no tenant that there is.")


class _JustFound(Generic[Found]):
    """What Postgres said a moment ago, by the key's hash, as long as nothing was changed since."""

    def __init__(self, version: VersionWatch, *, size: int) -> None:
        self._version = version
        self._size = size
        self._found: OrderedDict[bytes, tuple[float, int, Found]] = OrderedDict()

    def of(self, wanted: bytes) -> Found | None:
        kept = self._found.get(wanted)
        if kept and time.monotonic() < kept[0] and self._version.fresh and self._version.revision == kept[1]:
            return kept[2]
        return None

    def knew(self, wanted: bytes) -> bool:
        """Whether something is kept, though it may hold no more."""
        return wanted in self._found

    def keep(self, wanted: bytes, revision: int, found: Found) -> None:
        """`revision`: as it was known before Postgres was asked."""
        self._found[wanted] = (time.monotonic() + CACHE_SECONDS, revision, found)
        if len(self._found) > self._size:
            self._found.popitem(last=False)

    def forget(self, name: bytes) -> None:
        self._found.pop(name, None)


class Principals:
    def __init__(self, database: Database, secret: Secret, version: VersionWatch) -> None:
        self._database = database
        self._secret = secret
        self._version = version
        self._known: _JustFound[Principal] = _JustFound(version, size=CACHE_SIZE)
        # Apart, and few: who sends a new key each time drives out none that is good.
        self._refused: _JustFound[Refusal] = _JustFound(version, size=REFUSED_SIZE)
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)

    async def of(self, key: str) -> Principal:
        """Who holds this key.

        Raises: InvalidKey, ExpiredKey, RevokedKey; StorageUnavailable.
        """
        check_form(key)
        wanted = key_hash(self._secret, key)
        found = await self.remembered(wanted, lambda: self._look_up(wanted))
        if found.expires_at is not None and found.expires_at <= utc_now():
            raise ExpiredKey
        return found

    async def of_tenant(self, tenant_id: str) -> Principal:
        """Who acts for a tenant that somebody trusted has named; it may do nothing yet.

        Raises: InvalidKey where there is no such tenant, or where it was closed; StorageUnavailable.
        """
        return await self.remembered(b"tenant " + tenant_id.encode(), lambda: self._look_up_tenant(tenant_id))

    async def remembered(self, name: bytes, look_up: LookUp) -> Principal:
        """What `look_up` answered a moment ago under this name, unless the version row has moved since.

        Raises: what it answered in place of a principal; StorageUnavailable.
        """
        found = self._known.of(name) or self._refused.of(name)
        if found is None:
            revision = self._version.revision
            found = await self._in_turn(name, look_up)
            if isinstance(found, Principal):
                self._known.keep(name, revision, found)
            else:
                self._known.forget(name)
                self._refused.keep(name, revision, found)
        if not isinstance(found, Principal):
            raise found()
        return found

    async def _in_turn(self, name: bytes, look_up: LookUp) -> Principal | Refusal:
        """Whoever was good a moment ago waits for no stranger; of strangers a few at a time ask Postgres."""
        if self._known.knew(name):
            return await look_up()
        try:
            async with asyncio.timeout(TURN_WITHIN):
                await self._strangers.acquire()
        except TimeoutError:
            raise StorageUnavailable from None
        try:
            return self._known.of(name) or self._refused.of(name) or await look_up()
        finally:
            self._strangers.release()

    def forget(self, name: bytes) -> None:
        """What was remembered under this name; elsewhere it is by the version row."""
        self._known.forget(name)

    async def _look_up(self, wanted: bytes) -> Principal | Refusal:
        async with self._database.acting() as session:
            found = (await session.execute(WHO, {"wanted": wanted})).one_or_none()
        if found is None or (found.tenant_state == "closed"):
            return NO_SUCH_KEY
        if found.revoked_at is not None:
            return RevokedKey
        bounds = Bounds(_tuple(found.only_organizations), _tuple(found.only_users))
        granted = [one for one in found.organization_ids if bounds.may_be_of(one)]
        return replace(
            _of_tenant(found),
            key_id=found.key_id,
            kind=found.kind,
            organization_ids=tuple(map(OrganizationId, granted)),
            # What a tenant's key was given to see ends with the grant.
            sees=tuple(one for one in found.sees if found.tenant_id is None or one in granted),
            scopes=frozenset(found.scopes),
            expires_at=found.expires_at,
            bounds=bounds,
            networks=None if found.only_networks is None else tuple(map(read_network, found.only_networks)),
        )

    async def _look_up_tenant(self, tenant_id: str) -> Principal | Refusal:
        async with self._database.acting() as session:
            found = (await session.execute(TENANT, {"wanted": tenant_id})).one_or_none()
        if found is None or found.tenant_state == "closed":
            return NO_SUCH_TENANT
        return _of_tenant(found)


def _of_tenant(found: Row[Any]) -> Principal:
    """Who acts for the tenant of a row, and may do nothing yet; the tenant is None for keys of staff."""
    return Principal(
        key_id=None,
        kind="service",
        tenant_id=found.tenant_id,
        tag=found.tag,
        account_id=found.account_id,
        teli_tenant_id=found.teli_tenant_id,
        organization_ids=tuple(map(OrganizationId, found.organization_ids)),
        sees=(),
        scopes=frozenset(),
        idempotency_required=found.idempotency_required,
        expires_at=None,
        rate=Rate.of(found.requests_per_second, found.burst, found.mode),
        teli_tenant_ids=frozenset(found.teli_tenant_ids or ()),
        policy=Policy.of(found.agents_allowed, found.area_codes_allowed, orphan_reuse=found.orphan_reuse),
        suspended=found.tenant_state == "suspended",
    )


def _tuple(found: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if found is None else tuple(found)
