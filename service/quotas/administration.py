"""Setting and reading a tenant's limits."""

from typing import Any

from service.audit.entries import note
from service.db import Database
from service.kit.errors import NotFound
from service.kit.types import TenantId
from service.quotas.gate import Gate
from service.quotas.models import TenantQuota
from service.tenants.administration import Author
from service.tenants.version import bump


class QuotaAdministration:
    def __init__(self, database: Database, gate: Gate | None = None) -> None:
        """Without a gate only where nobody can have been refused yet."""
        self._database = database
        self._gate = gate

    async def get(self, tenant_id: str) -> dict[str, Any]:
        """Raises: NotFound."""
        async with self._database.acting(duty="admin") as session:
            quota = await session.get(TenantQuota, tenant_id)
            if quota is None:
                raise NotFound
            return _told(quota)

    async def put(self, author: Author, tenant_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change the limits named. A limit below present use blocks new purchases and takes nothing away.

        Raises: NotFound.
        """
        async with self._database.acting(duty="admin") as session:
            quota = await session.get(TenantQuota, tenant_id, with_for_update=True)
            if quota is None:
                raise NotFound
            before = {name: getattr(quota, name) for name in changes}
            for name, value in changes.items():
                setattr(quota, name, value)
            note(
                session,
                actor=author.actor,
                action="quota.put",
                of=("tenant", tenant_id),
                tenant=tenant_id,
                before=before,
                after=changes,
                request_id=author.request_id,
            )
            await bump(session)
        # What was full may not be any more; were it still, Postgres says so again.
        if self._gate is not None:
            await self._gate.freed(TenantId(tenant_id))
        return _told(quota)


def _told(quota: TenantQuota) -> dict[str, Any]:
    return {
        "tenant_id": quota.tenant_id,
        "numbers_held": quota.numbers_held,
        "use": {"numbers_held": {"limit": quota.numbers_held, "used": quota.used, "reserved": quota.reserved}},
    }
