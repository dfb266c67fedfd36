"""Who a request acts as, resolved once, from its API key.

A principal is cached for seconds, and no longer than the version row stands still: revoking a key, changing a grant or
closing a tenant moves that row, and every replica looks at it twice a second. A replica that could not look for a
second trusts its cache no more.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Literal, Self
from uuid import UUID

from sqlalchemy import text

from service.db import Database
from service.kit.clock import utc_now
from service.kit.crypto import Secret
from service.kit.errors import ServiceError
from service.kit.types import OrganizationId, TenantId
from service.tenants.keys import ExpiredKey, InvalidKey, RevokedKey, check_form, key_hash
from service.tenants.version import VersionWatch

Duty = Literal["service", "admin", "finance", "operator"]
CACHE_SECONDS = 5.0
CACHE_SIZE = 10_000
WHO = text("SELECT * FROM principal_for(:wanted) LEFT JOIN rate_for(:wanted) ON true")


class ScopeMissing(ServiceError):
    """The key is good and may not do this."""

    status, code, title = 403, "scope_missing", "Scope missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This key lacks the scope {scope}.", scope=scope)


class NotYourOrganization(ServiceError):
    """The tenant has no grant for the organisation it named."""

    status, code, title = 403, "not_your_organization", "Not your organisation"

    def __init__(self) -> None:
        super().__init__("This key's tenant has no grant for that organisation.")


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
    """`organization_ids`: granted to its tenant. `sees`: seen whole, across tenants; ("*",) is all. `rate`: of all
    requests of its tenant together.
    """

    key_id: UUID
    kind: Duty
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

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        return f"key:{self.key_id}"

    def may(self, scope: str) -> bool:
        return scope in self.scopes or f"{scope.split(':')[0]}:*" in self.scopes

    def need(self, scope: str) -> None:
        """Raises: ScopeMissing."""
        if not self.may(scope):
            raise ScopeMissing(scope)

    def sees_organization(self, organization: str) -> bool:
        return "*" in self.sees or organization in self.sees

    @property
    def tenant(self) -> TenantId:
        """Raises: NotYourTenant where the key belongs to no tenant, as an administrator's."""
        if self.tenant_id is None:
            raise NotYourTenant("This key acts for no tenant; use a tenant's own key.")
        return self.tenant_id


class Principals:
    def __init__(self, database: Database, secret: Secret, version: VersionWatch) -> None:
        self._database = database
        self._secret = secret
        self._version = version
        self._cache: OrderedDict[bytes, tuple[float, int, Principal]] = OrderedDict()

    async def of(self, key: str) -> Principal:
        """Who holds this key.

        Raises: InvalidKey, ExpiredKey, RevokedKey; StorageUnavailable.
        """
        check_form(key)
        wanted = key_hash(self._secret, key)
        cached = self._cache.get(wanted)
        if cached and time.monotonic() < cached[0] and self._version.fresh and self._version.revision == cached[1]:
            principal = cached[2]
        else:
            revision = self._version.revision
            principal = await self._look_up(wanted)
            self._cache[wanted] = (time.monotonic() + CACHE_SECONDS, revision, principal)
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        if principal.expires_at is not None and principal.expires_at <= utc_now():
            raise ExpiredKey
        return principal

    async def _look_up(self, wanted: bytes) -> Principal:
        async with self._database.acting() as session:
            found = (await session.execute(WHO, {"wanted": wanted})).one_or_none()
        if found is None or (found.tenant_state == "closed"):
            raise InvalidKey("There is no such key.")
        if found.revoked_at is not None:
            raise RevokedKey
        return Principal(
            key_id=found.key_id,
            kind=found.kind,
            tenant_id=found.tenant_id,
            tag=found.tag,
            account_id=found.account_id,
            teli_tenant_id=found.teli_tenant_id,
            organization_ids=_ids(found.organization_ids),
            # What a tenant's key was given to see ends with the grant.
            sees=tuple(one for one in found.sees if found.tenant_id is None or one in found.organization_ids),
            scopes=frozenset(found.scopes),
            idempotency_required=found.idempotency_required,
            expires_at=found.expires_at,
            rate=Rate.of(found.requests_per_second, found.burst, found.mode),
        )


def _ids(found: Sequence[str]) -> tuple[OrganizationId, ...]:
    return tuple(OrganizationId(one) for one in found)
