"""Setting and reading the policies of tenants. Each tenant has one, from its beginning."""

import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.entries import note
from service.db import Database
from service.kit.errors import Fault, InvalidRequest, NotFound
from service.tenants.administration import Author
from service.tenants.models import Tenant
from service.tenants.version import bump

DEFAULTS: dict[str, Any] = {
    "idempotency_required": False,
    "agents_allowed": None,
    "area_codes_allowed": None,
    "orphan_reuse": True,
    "write_off": None,
    "drift": "ask",
    "order_weight": 1,
}
RULES = tuple(DEFAULTS)
NEVER = "never"


class Policies:
    def __init__(self, database: Database, *, settling_window: float) -> None:
        self._database = database
        self._settling_window = settling_window

    async def get(self, tenant_id: str) -> dict[str, Any]:
        """Raises: NotFound."""
        async with self._database.acting(duty="admin") as session:
            return _told(await _tenant(session, tenant_id))

    async def put(self, author: Author, tenant_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change what is named; of each None is the default. In force on every replica within a second.

        Agents that are linked and numbers that are held stay, whatever the policy allows from now on.
        Raises: NotFound; InvalidRequest for a write-off before a purchase may have settled.
        """
        wanted = {name: DEFAULTS[name] if value is None else value for name, value in changes.items()}
        write_off = wanted.get("write_off")
        if write_off not in (None, NEVER) and write_off < self._settling_window:
            told = f"must be no shorter than this deployment's settling window, {self._settling_window:g} seconds"
            raise InvalidRequest(Fault("/write_off", told))
        async with self._database.acting(duty="admin") as session:
            tenant = await _tenant(session, tenant_id, to_change=True)
            before = _told(tenant)
            for name, value in wanted.items():
                setattr(tenant, name, math.inf if value == NEVER else value)
            note(
                session,
                actor=author.actor,
                action="policy.put",
                of=("policy", tenant_id),
                tenant=tenant_id,
                before={name: before[name] for name in wanted},
                after=wanted,
                request_id=author.request_id,
            )
            await bump(session)
            return _told(tenant)


def as_told(tenant_id: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    """A policy as it is shown, from its columns."""
    return {"tenant_id": tenant_id, **kept, "write_off": NEVER if kept["write_off"] == math.inf else kept["write_off"]}


def _told(tenant: Tenant) -> dict[str, Any]:
    return as_told(tenant.id, {name: getattr(tenant, name) for name in RULES})


async def _tenant(session: AsyncSession, tenant_id: str, *, to_change: bool = False) -> Tenant:
    tenant = await session.get(Tenant, tenant_id, with_for_update=to_change)
    if tenant is None:
        raise NotFound("There is no such tenant; put it first.")
    return tenant
