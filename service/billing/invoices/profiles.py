"""Mappings by name: those that are shipped, and those that finance remembers."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from service.audit.entries import note
from service.billing.auth import acting_for
from service.billing.invoices.mapping import PROFILES, InvoiceMapping
from service.billing.invoices.models import InvoiceProfile
from service.db import Database
from service.kit.errors import NotFound, StateConflict
from service.tenants.principals import Principal


class Profiles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def listed(self, caller: Principal) -> list[dict[str, Any]]:
        """Those that are shipped, then those that were remembered, by name."""
        async with acting_for(self._database, caller) as session:
            rows = (await session.scalars(select(InvoiceProfile).order_by(InvoiceProfile.name))).all()
        return [_shipped(name) for name in sorted(PROFILES)] + [_told(row) for row in rows]

    async def get(self, caller: Principal, name: str) -> dict[str, Any]:
        """Raises: NotFound."""
        if name in PROFILES:
            return _shipped(name)
        async with acting_for(self._database, caller) as session:
            if (row := await session.get(InvoiceProfile, name)) is None:
                raise NotFound
        return _told(row)

    async def find(self, caller: Principal, name: str) -> InvoiceMapping:
        """Raises: NotFound."""
        if (shipped := PROFILES.get(name)) is not None:
            return shipped
        async with acting_for(self._database, caller) as session:
            if (row := await session.get(InvoiceProfile, name)) is None:
                raise NotFound(f"There is no profile {name}.")
        return InvoiceMapping(**row.mapping)

    async def put(self, caller: Principal, name: str, mapping: InvoiceMapping, request_id: str) -> dict[str, Any]:
        """Remember a mapping. What was filed by it keeps the one that it was filed with.

        Raises: StateConflict for one that is shipped.
        """
        if name in PROFILES:
            raise StateConflict(f"{name} is shipped with Numbergate: remember yours by another name.")
        row = {"name": name, "mapping": mapping.as_json(), "created_by": caller.actor}
        async with acting_for(self._database, caller) as session:
            before = await session.get(InvoiceProfile, name)
            was = before.mapping if before else None
            filed = insert(InvoiceProfile).values(row)
            await session.execute(
                filed.on_conflict_do_update(index_elements=["name"], set_={"mapping": filed.excluded.mapping})
            )
            note(
                session, actor=caller.actor, action="invoice_profile.put", of=("invoice_profile", name),
                before=was, after=mapping.as_json(), request_id=request_id,
            )  # fmt: skip
            session.expire_all()
            found = await session.get(InvoiceProfile, name)
            assert found is not None
        return _told(found)


def _shipped(name: str) -> dict[str, Any]:
    mapping = PROFILES[name].as_json()
    return {"name": name, "shipped": True, "mapping": mapping, "created_at": None, "created_by": None}


def _told(row: InvoiceProfile) -> dict[str, Any]:
    return {
        "name": row.name, "shipped": False, "mapping": row.mapping, "created_at": row.created_at,
        "created_by": row.created_by,
    }  # fmt: skip
