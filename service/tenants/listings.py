"""Lists of what is administered: organisations, users, tenants, keys and sessions."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, case, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from service.db import Database
from service.kit.errors import Fault, InvalidRequest, NotFound
from service.kit.pagination import COUNTED, Cursors, total
from service.tenants.administration import HELD
from service.tenants.models import ApiKey, Grant, LoginSession, Organization, Tenant, User
from service.tenants.policies import RULES, as_told
from service.tenants.roles import Role
from service.tenants.sessions import person

KeyKind = Literal["service", "admin", "finance", "operator"]
KeyState = Literal["good", "expired", "revoked"]

ORGANIZATIONS = select(Organization.id, Organization.name, Organization.account_id)
USERS = select(User.id, User.organization_id, User.name, User.email, User.exclusive)
TENANTS = select(
    Tenant.id,
    Tenant.name,
    Tenant.state,
    Tenant.account_id,
    func.array(
        select(Grant.organization_id)
        .where(Grant.tenant_id == Tenant.id)
        .order_by(Grant.organization_id)
        .scalar_subquery()
    ).label("organization_ids"),
)
POLICIES = select(Tenant.id, *(getattr(Tenant, name) for name in RULES))
STATE = case(
    (ApiKey.revoked_at.is_not(None), "revoked"), (ApiKey.expires_at <= func.clock_timestamp(), "expired"), else_="good"
)
KEYS = select(
    ApiKey.id, ApiKey.kind, ApiKey.tenant_id, ApiKey.name, ApiKey.hint, ApiKey.scopes, STATE.label("state"),
    ApiKey.created_at, ApiKey.expires_at, ApiKey.revoked_at, ApiKey.rotated_to,
    ApiKey.organization_ids, ApiKey.user_ids, ApiKey.networks, ApiKey.last_used_at, ApiKey.last_used_from,
)  # fmt: skip
SESSIONS = select(
    LoginSession.id, LoginSession.issuer, LoginSession.subject, LoginSession.groups,
    LoginSession.created_at.label("began_at"), LoginSession.seen_at.label("last_used_at"), LoginSession.expires_at,
).where(LoginSession.ended_at.is_(None), LoginSession.expires_at > func.clock_timestamp())  # fmt: skip


def _named(q: str | None, *columns: InstrumentedAttribute[Any]) -> tuple[ColumnElement[bool], ...]:
    """What has those letters in its id or a name, whatever their case; anything for None."""
    return () if q is None else (or_(*(column.icontains(q, autoescape=True) for column in columns)),)


class Listings:
    """Each page continues where its cursor says; one of another list, or of other filters, is an InvalidRequest."""

    def __init__(self, database: Database, cursors: Cursors, *, roles: Mapping[str, Role], idle: float) -> None:
        """`roles` of people's groups; `idle`: the seconds that their sessions last without a request."""
        self._database = database
        self._cursors = cursors
        self._roles = roles
        self._idle = timedelta(seconds=idle)

    async def organizations(self, *, q: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
        found = ORGANIZATIONS.where(*_named(q, Organization.id, Organization.name))
        return await self._page({"list": "organizations", "q": q}, found, Organization.id, limit, cursor)

    async def organization(self, organization_id: str) -> dict[str, Any]:
        """Raises: NotFound."""
        return await self._one(ORGANIZATIONS.where(Organization.id == organization_id), "organisation")

    async def user(self, organization_id: str, user_id: str) -> dict[str, Any]:
        """Raises: NotFound."""
        whose = User.organization_id == organization_id
        return await self._one(USERS.where(whose, User.id == user_id), "user of that organisation")

    async def users(self, organization_id: str, *, q: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
        """Raises: NotFound where there is no such organisation."""
        await self.organization(organization_id)
        query = {"list": "users", "organization": organization_id, "q": q}
        users = USERS.where(User.organization_id == organization_id, *_named(q, User.id, User.name, User.email))
        return await self._page(query, users, User.id, limit, cursor)

    async def tenants(self, *, q: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
        found = TENANTS.where(*_named(q, Tenant.id, Tenant.name))
        return await self._page({"list": "tenants", "q": q}, found, Tenant.id, limit, cursor)

    async def tenant(self, tenant_id: str) -> dict[str, Any]:
        """With how many numbers it holds. Raises: NotFound."""
        held = HELD.bindparams(id=tenant_id).columns(used=BigInteger).scalar_subquery().label("numbers_held")
        return await self._one(TENANTS.add_columns(held).where(Tenant.id == tenant_id), "tenant")

    async def check_tenant(self, tenant_id: str | None) -> None:
        """Of a filter. Raises: InvalidRequest where it names none: whoever mistyped it would be shown an empty page."""
        if tenant_id is None:
            return
        async with self._database.acting(duty="admin") as session:
            if await session.get(Tenant, tenant_id) is None:
                raise InvalidRequest(Fault("tenant_id", "there is no such tenant"))

    async def policies(self, *, limit: int, cursor: str | None) -> dict[str, Any]:
        page = await self._page({"list": "policies"}, POLICIES, Tenant.id, limit, cursor)
        return page | {"items": [as_told(one.pop("id"), one) for one in page["items"]]}

    async def keys(
        self, *, tenant_id: str | None, kind: KeyKind | None, state: KeyState | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """Newest first, those too that are good no more. Raises: InvalidRequest where there is no such tenant."""
        await self.check_tenant(tenant_id)
        query = {"list": "keys", "tenant_id": tenant_id, "kind": kind, "state": state}
        asked = ((ApiKey.tenant_id, tenant_id), (ApiKey.kind, kind), (STATE, state))
        keys = KEYS.where(*(column == value for column, value in asked if value is not None))
        return await self._page(query, keys, ApiKey.id, limit, cursor, newest_first=True)

    async def sessions(self, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Those in force, newest first."""
        used = SESSIONS.where(LoginSession.seen_at > func.clock_timestamp() - self._idle)
        page = await self._page({"list": "sessions"}, used, LoginSession.id, limit, cursor, newest_first=True)
        return page | {"items": [self._told(one) for one in page["items"]]}

    def _told(self, session: dict[str, Any]) -> dict[str, Any]:
        roles = {self._roles[group].name for group in session.pop("groups") if group in self._roles}
        who = person(session.pop("issuer"), session.pop("subject"))
        return {**session, "subject": who, "roles": sorted(roles)}

    async def _one(self, row: Select[*tuple[Any, ...]], what: str) -> dict[str, Any]:
        """Raises: NotFound."""
        async with self._database.acting(duty="admin") as session:
            found = (await session.execute(row)).one_or_none()
        if found is None:
            raise NotFound(f"There is no such {what}.")
        return dict(found._mapping)

    async def _page(
        self,
        query: dict[str, Any],
        rows: Select[*tuple[Any, ...]],
        place: InstrumentedAttribute[Any],
        limit: int,
        cursor: str | None,
        *,
        newest_first: bool = False,
    ) -> dict[str, Any]:
        page = rows.order_by(place.desc() if newest_first else place).limit(limit + 1)
        if cursor is not None:
            [after] = self._cursors.open(query, cursor)
            at = UUID(after) if newest_first else after
            page = page.where(place < at if newest_first else place > at)
        matches = rows.with_only_columns(place).limit(COUNTED + 1).subquery()
        async with self._database.acting(duty="admin") as session:
            found = (await session.execute(page)).all()
            counted = (await session.scalars(select(func.count()).select_from(matches))).one()
        more = len(found) > limit
        return {
            "items": [dict(row._mapping) for row in found[:limit]],
            "next_cursor": self._cursors.seal(query, [str(found[limit - 1].id)]) if more else None,
            "total": total(counted),
        }
