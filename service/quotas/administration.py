"""Setting and reading limits."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.errors import Fault, InvalidRequest, NotFound
from service.kit.types import TenantId
from service.quotas.counting import hold_quotas
from service.quotas.gate import Gate
from service.quotas.models import Quota
from service.tenants.administration import Author
from service.tenants.models import Organization, User
from service.tenants.version import bump

LIMITS = (
    "numbers_held", "purchases_per_day", "purchases_per_month", "releases_per_month", "spend_per_month",
    "requests_per_second", "burst", "concurrent_creates", "doubts_open",
)  # fmt: skip
SETTINGS = (*LIMITS, "mode", "time_zone")
UNLIMITED: dict[str, Any] = {**dict.fromkeys(LIMITS), "mode": "enforced", "time_zone": "UTC"}
RECOUNT = text("SELECT recount_quota(:scope, :tenant_id, :organization_id, :user_id)")
RATE = {"requests_per_second", "burst", "mode"}
# A burst that takes longer to come back is a slip; beyond some thousand years no clock could tell of it.
LONGEST_BURST = 10 * 365 * 86_400
STANDING = text("SELECT * FROM quota_standing(:scope, :tenant_id, :organization_id, :user_id, :price)")


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose limits: one tenant's, organisation's or user's, or the whole deployment's."""

    scope: Literal["tenant", "organization", "user", "deployment"]
    tenant_id: str = ""
    organization_id: str = ""
    user_id: str = ""

    @property
    def key(self) -> dict[str, str]:
        return {
            "scope": self.scope,
            "tenant_id": self.tenant_id,
            "organization_id": self.organization_id,
            "user_id": self.user_id,
        }

    @property
    def ids(self) -> dict[str, str]:
        """Those that name it."""
        return {name: value for name, value in self.key.items() if name != "scope" and value}

    @property
    def name(self) -> str:
        """As the audit log names it."""
        return "/".join(self.ids.values())


def _check_rate(quota: Quota) -> None:
    """Raises: InvalidRequest."""
    if quota.requests_per_second and quota.burst and quota.burst / quota.requests_per_second > LONGEST_BURST:
        raise InvalidRequest(Fault("/burst", "takes more than ten years at this requests_per_second; lower it"))


def of_tenant(tenant_id: str) -> Scope:
    return Scope("tenant", tenant_id=tenant_id)


class QuotaAdministration:
    def __init__(self, database: Database, gate: Gate | None = None, *, price: int = 0) -> None:
        """`price`: micro-units that a purchase is reckoned at. No gate: only where nobody can have been refused yet."""
        self._database = database
        self._gate = gate
        self._price = price

    async def get(self, of: Scope) -> dict[str, Any]:
        """Every limit of the scope, and the use of each. Raises: NotFound."""
        async with self._database.acting(duty="admin") as session:
            await self._check_known(session, of)
            return await self._told(session, of)

    async def put(self, author: Author, of: Scope, changes: dict[str, Any]) -> dict[str, Any]:
        """Change what is named: limits, `mode`, `time_zone`. In force for every admission that is not under way yet.

        A limit below present use blocks what is new and takes nothing away.
        Raises: NotFound; InvalidRequest for a time zone that the database does not know.
        """
        changes = {
            name: UNLIMITED[name] if value is None and name in ("mode", "time_zone") else value
            for name, value in changes.items()
        }
        async with self._database.acting(duty="admin") as session:
            await self._check_known(session, of)
            if (zone := changes.get("time_zone")) is not None:
                await self._check_zone(session, zone)
            quota = await self._locked(session, of, changes)
            before = {name: getattr(quota, name) if quota else UNLIMITED[name] for name in changes}
            if quota is not None:
                for name, value in changes.items():
                    setattr(quota, name, value)
                _check_rate(quota)
                if RATE & changes.keys():
                    quota.arrival = None
                if changes.get("time_zone", before.get("time_zone")) != before.get("time_zone"):
                    quota.day = quota.month = None
                is_new = quota.day is None
                quota.revision += 1
                await session.flush()
                if is_new:
                    await session.execute(RECOUNT, of.key)
                if of.scope != "tenant" and all(getattr(quota, name) == UNLIMITED[name] for name in SETTINGS):
                    await session.execute(delete(Quota).filter_by(**of.key))
            note(
                session,
                actor=author.actor,
                action="quota.put",
                of=(of.scope, of.name),
                tenant=of.tenant_id or None,
                before=before,
                after=changes,
                request_id=author.request_id,
            )
            await bump(session)
            told = await self._told(session, of)
        # What was full may not be any more; were it still, Postgres says so again.
        revision = told.pop("revision")
        if self._gate is not None and of.tenant_id:
            await self._gate.freed(TenantId(of.tenant_id), revision)
        return told

    async def _check_known(self, session: AsyncSession, of: Scope) -> None:
        """Raises: NotFound."""
        match of.scope:
            case "tenant":
                known: object = await session.get(Quota, tuple(of.key.values()))
            case "organization":
                known = await session.get(Organization, of.organization_id)
            case "user":
                known = await session.get(User, (of.organization_id, of.user_id))
            case _:
                return
        if known is None:
            raise NotFound(f"There is no such {of.scope}; put it first.")

    async def _check_zone(self, session: AsyncSession, zone: str) -> None:
        known = await session.scalar(
            text("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = :zone)"), {"zone": zone}
        )
        if not known:
            raise InvalidRequest(
                Fault("/time_zone", "is not a name of the IANA time zone database, as America/Detroit")
            )

    async def _locked(self, session: AsyncSession, of: Scope, changes: dict[str, Any]) -> Quota | None:
        """The scope's row, made where it is needed and missing; None where it stays without one."""
        # Looked for without a lock: two that held one could not both hold all quotas.
        if await session.scalar(select(Quota.scope).filter_by(**of.key)) is None:
            if all(value == UNLIMITED[name] for name, value in changes.items()):
                return None
            # Purchases that did not find the row count in it, once they have committed; none begins in between.
            await hold_quotas(session)
            await session.execute(insert(Quota).values(**of.key).on_conflict_do_nothing())
        found = select(Quota).filter_by(**of.key).with_for_update().execution_options(populate_existing=True)
        quota: Quota | None = await session.scalar(found)
        # None: it was there, and somebody took its last limit away meanwhile.
        return quota or await self._locked(session, of, changes)

    async def _told(self, session: AsyncSession, of: Scope) -> dict[str, Any]:
        found = await session.execute(select(Quota).filter_by(**of.key).execution_options(populate_existing=True))
        quota = found.scalar_one_or_none()
        standing = (await session.execute(STANDING, {**of.key, "price": self._price})).all()
        return {
            **of.ids,
            **{name: getattr(quota, name) if quota else UNLIMITED[name] for name in SETTINGS},
            "use": {
                one.name: {"limit": one.allowed, "used": one.used, "reserved": one.reserved, "resets_at": one.resets_at}
                for one in standing
                if one.name != "requests_per_second"
            },
            "revision": quota.revision if quota else 0,
        }
